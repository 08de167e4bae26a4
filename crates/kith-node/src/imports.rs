//! Files that a person gives an app: of its own space, and of their chats.

use std::sync::Arc;

use kith_api::{
    AskFile, AskFiles, Error, ErrorCode, FileRef, GiveFiles, Import, MAX_IMPORT_FILTER,
    MAX_IMPORTED, MAX_NAME, Result,
};
use kith_log::SpaceId;
use kith_log::file::Attachment;

use crate::asks::What;
use crate::bundled;
use crate::files::{file_ref, parse_hash};
use crate::node::Inner;

/// Files shown to the person, of all spaces.
const MAX_SHOWN: usize = 500;
/// Files of one space that are looked at, the newest ones.
const MAX_LOOKED_AT: usize = 2_000;

impl Inner {
    /// Asks the person for files, and waits until they have answered.
    pub(crate) async fn import(
        self: &Arc<Self>,
        space: SpaceId,
        import: Import,
    ) -> Result<Vec<FileRef>> {
        let parts = || import.extensions.iter().chain(&import.types);
        if parts().count() > MAX_IMPORT_FILTER || parts().any(|part| part.len() > MAX_NAME) {
            return Err(Error::new(ErrorCode::TooLarge, "These are too many kinds of files."));
        }
        self.ask_person(space, What::Import(import)).await
    }

    /// The spaces whose files can be given to an app's page in `own`.
    fn giving_spaces(&self, own: SpaceId) -> Vec<SpaceId> {
        let chats = bundled::takes_drafts().map(|app| self.spaces.of_app(&app));
        let others = chats.into_iter().flatten().filter(|space| *space != own);
        std::iter::once(own).chain(others).collect()
    }

    /// The files that fit what an app asks for, and are here.
    pub(crate) fn files_for_ask(&self, id: &str) -> Result<AskFiles> {
        let ask = self.asks.get(id)?;
        let import = ask.import()?;
        let mut files = Vec::new();
        let mut more = false;
        for space in self.giving_spaces(ask.space) {
            for file in self.store.attached(&space, MAX_LOOKED_AT)? {
                if !fits(import, &file) || self.check_carried(&space, &file).is_err() {
                    continue;
                }
                if files.len() == MAX_SHOWN {
                    more = true;
                    break;
                }
                files.push(AskFile { space: space.to_string(), file: file_ref(&file) });
            }
        }
        Ok(AskFiles { files, more })
    }

    /// Gives an app copies of the files that the person chose.
    pub(crate) async fn give_files(self: &Arc<Self>, give: &GiveFiles) -> Result<()> {
        let ask = self.asks.get(&give.ask)?;
        let import = ask.import()?;
        let most = if import.multiple { MAX_IMPORTED } else { 1 };
        if give.files.is_empty() || give.files.len() > most {
            return Err(Error::new(ErrorCode::TooMany, "This is not as many files as it takes.")
                .why(format!("It takes 1 to {most}.")));
        }
        let spaces = self.giving_spaces(ask.space);
        let mut given = Vec::new();
        for chosen in &give.files {
            let space = self.parse_space(&chosen.space)?;
            let file = self.attachment(&space, &parse_hash(&chosen.hash)?)?;
            if !spaces.contains(&space) || !fits(import, &file) {
                return Err(Error::new(ErrorCode::NotPermitted, "This file is not asked for."));
            }
            given.push(self.carry(&file, space, ask.space).await?);
        }
        self.asks.get(&give.ask)?;
        self.asks.answer(&ask, given);
        self.changed();
        Ok(())
    }
}

/// Whether a file is of a kind that is asked for.
fn fits(import: &Import, file: &Attachment) -> bool {
    if import.extensions.is_empty() && import.types.is_empty() {
        return true;
    }
    let name = file.name.as_str().to_lowercase();
    let ends = |ending: &String| {
        let ending = ending.to_lowercase();
        name.ends_with(&format!(".{}", ending.strip_prefix('.').unwrap_or(&ending)))
    };
    let of_type = |wanted: &String| match wanted.strip_suffix('*') {
        Some(start) => start.ends_with('/') && file.media_type.as_str().starts_with(start),
        None => file.media_type.as_str() == wanted,
    };
    import.extensions.iter().any(ends) || import.types.iter().any(of_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_fits_by_its_ending_or_its_type() {
        let of = |extensions: &[&str], types: &[&str]| {
            let own = |list: &[&str]| list.iter().map(ToString::to_string).collect();
            let import = Import { extensions: own(extensions), types: own(types), multiple: false };
            let file = Attachment {
                hash: [1; 32],
                size: 1,
                folder: false,
                key: None,
                name: "Plan.PDF".parse().unwrap(),
                media_type: "application/pdf".parse().unwrap(),
            };
            fits(&import, &file)
        };
        assert!(of(&[], &[]));
        assert!(of(&[".pdf"], &[]) && of(&["pdf"], &["image/*"]) && of(&[".x", ".Pdf"], &[]));
        assert!(of(&[], &["application/pdf"]) && of(&[], &["application/*"]));
        assert!(!of(&[".df"], &[]) && !of(&["x"], &["image/*"]) && !of(&[], &["*", "a*"]));
    }
}
