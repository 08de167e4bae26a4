//! What a person calls an app, a space or a peer: its id, the start of it, or its name.

use crate::failure::{Failure, Result};

/// Fewest characters of an id that stand for the whole.
const MIN_PREFIX: usize = 4;

/// Something with an id and a name.
pub(crate) struct Named<'a> {
    pub(crate) id: &'a str,
    pub(crate) name: &'a str,
}

/// Finds the one thing that is meant: by its id, else by its exact name, else by its name in
/// whatever case, else by the start of its id. `kind` is what it is called: `space`.
///
/// # Errors
/// When nothing is meant, or several things are.
pub(crate) fn find<'a>(meant: &str, kind: &str, all: &[Named<'a>], list: &str) -> Result<&'a str> {
    match candidates(meant, all)[..] {
        [only] => Ok(only.id),
        [] => Err(Failure::new("not_found", format!("There is no {kind} “{meant}” here."))
            .todo(format!("`{list}` lists what there is."))),
        ref several => {
            let names: Vec<String> =
                several.iter().map(|one| format!("{} ({})", one.name, one.id)).collect();
            Err(Failure::new("ambiguous", format!("“{meant}” may mean more than one {kind}."))
                .why(names.join("\n"))
                .todo("Name it by its id, or the start of it."))
        }
    }
}

/// What may be meant, by the strictest reading that fits anything.
pub(crate) fn candidates<'a, 'b>(meant: &str, all: &'b [Named<'a>]) -> Vec<&'b Named<'a>> {
    let lower = meant.to_lowercase();
    let readings: [&dyn Fn(&Named<'_>) -> bool; 4] = [
        &|one| one.id == meant,
        &|one| one.name == meant,
        &|one| one.name.to_lowercase() == lower,
        &|one| meant.len() >= MIN_PREFIX && one.id.starts_with(meant),
    ];
    readings
        .iter()
        .map(|reading| all.iter().filter(|one| reading(one)).collect::<Vec<_>>())
        .find(|found| !found.is_empty())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Named<'static>; 3] = [
        Named { id: "abcdef", name: "Chat" },
        Named { id: "abcxyz", name: "chat" },
        Named { id: "Chat-2", name: "Board" },
    ];

    fn found(meant: &str) -> Result<&'static str, String> {
        find(meant, "space", &ALL, "kith status").map_err(|failure| failure.code)
    }

    #[test]
    fn the_strictest_reading_wins() {
        assert_eq!(found("Chat"), Ok("abcdef"));
        assert_eq!(found("board"), Ok("Chat-2"));
        assert_eq!(found("abcx"), Ok("abcxyz"));
        assert_eq!(found("abc"), Err("not_found".into()));
        assert_eq!(found("CHAT"), Err("ambiguous".into()));
    }
}
