//! Names that are one file on some systems.

use super::BundleError;

/// A name in a bundle that keeps the rules by itself.
pub(super) struct Name {
    /// By what it is compared: in small letters, with NUL, which no name has, between its parts. So
    /// the names in a folder follow it at once when they are sorted.
    key: String,
    path: String,
    is_folder: bool,
}

impl Name {
    pub(super) fn new(path: &str, is_folder: bool) -> Self {
        let small = path.chars().flat_map(char::to_lowercase);
        let key = small.map(|c| if c == '/' { '\0' } else { c }).collect();
        Self { key, path: path.to_owned(), is_folder }
    }

    /// Its parts, as they are compared and as they are.
    fn parts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.key.split('\0').zip(self.path.split('/'))
    }

    /// What stands before its part of this number, and that part.
    fn up_to(&self, part: usize) -> String {
        self.path.split('/').take(part + 1).collect::<Vec<_>>().join("/")
    }
}

/// Refuses two files of one name, names that differ in capitals only, and names that are both a
/// file and a folder; folders in front of names included. Each name is compared with the next one
/// in order: what is alike in two names is alike in all between them.
pub(super) fn check_collisions(mut names: Vec<Name>) -> Result<(), BundleError> {
    names.sort_unstable_by(|a, b| (&a.key, &a.path).cmp(&(&b.key, &b.path)));
    names.windows(2).try_for_each(|pair| check_pair(&pair[0], &pair[1]))
}

fn check_pair(first: &Name, second: &Name) -> Result<(), BundleError> {
    for (number, (a, b)) in first.parts().zip(second.parts()).enumerate() {
        if a.0 != b.0 {
            return Ok(());
        }
        if a.1 != b.1 {
            let (first, second) = (first.up_to(number), second.up_to(number));
            return Err(BundleError::DiffersInCase { first, second });
        }
    }
    let is_one_name = first.path == second.path;
    match (is_one_name, first.is_folder == second.is_folder, first.is_folder) {
        (true, true, _) => Err(BundleError::Duplicate(first.path.clone())),
        (true, false, _) | (false, _, false) => Err(BundleError::FileAndFolder(first.path.clone())),
        (false, _, true) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(paths: &[&str]) -> Result<(), BundleError> {
        check_collisions(
            paths
                .iter()
                .map(|path| Name::new(path.trim_end_matches('/'), path.ends_with('/')))
                .collect(),
        )
    }

    #[test]
    fn what_stands_between_two_names_hides_nothing() {
        for paths in [["a", "a-b", "a.c", "a/b"], ["a/b", "a!", "A/c", "b"]] {
            assert!(check(&paths).is_err(), "{paths:?}");
        }
        check(&["a", "a-b", "a.c", "ab/a"]).unwrap();
        check(&["a/", "a/b/", "a/b/c", "a/c", "b/a"]).unwrap();
    }

    #[test]
    fn small_letters_do_not_depend_on_what_follows() {
        // At the end of a word, a text's Σ becomes ς.
        assert!(matches!(check(&["AΣ", "aσ"]), Err(BundleError::DiffersInCase { .. })));
        assert!(matches!(
            check(&["a/K", "a/\u{212a}"]),
            Err(BundleError::DiffersInCase { first, second }) if first == "a/K" && second == "a/\u{212a}"
        ));
    }

    /// Whether two of the names collide, each compared with each.
    fn collide(names: &[(String, bool)]) -> bool {
        let folders = |path: &str| -> Vec<String> {
            path.match_indices('/').map(|(end, _)| path[..end].to_owned()).collect()
        };
        let small = |text: &str| text.to_lowercase();
        names.iter().enumerate().any(|(i, (a, a_folder))| {
            names[..i].iter().any(|(b, b_folder)| {
                let all = |path: &str| [folders(path), vec![path.to_owned()]].concat();
                let in_case =
                    all(a).iter().any(|x| all(b).iter().any(|y| x != y && small(x) == small(y)));
                let as_folder = |x: &str, x_folder: bool, y: &str| {
                    !x_folder && folders(y).iter().any(|folder| folder == x)
                };
                in_case || a == b || as_folder(a, *a_folder, b) || as_folder(b, *b_folder, a)
            })
        })
    }

    proptest! {
        #[test]
        fn neighbours_are_enough(
            names in prop::collection::vec(("[aAb.](/[aAb!]{1,2}){0,2}", any::<bool>()), 0..6)
        ) {
            let found = check_collisions(names.iter().map(|(path, folder)| Name::new(path, *folder)).collect());
            prop_assert_eq!(found.is_err(), collide(&names), "{:?}", found);
        }
    }
}
