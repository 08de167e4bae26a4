//! Who asks.

use kith_app::AppId;
use kith_log::SpaceId;

/// Who calls a method. The door fills it in from what it knows (the host of a page, the owner of a
/// local socket), never from what the caller says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The person whose node this is: the dashboard, or the command line.
    Owner,
    /// A page of an app, in one space. All it can name is this space.
    Page {
        /// The app that the page belongs to.
        app: AppId,
        /// The space that the page's origin was made for.
        space: SpaceId,
    },
}

/// Who may call a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The person only.
    Owner,
    /// A page, for its own space.
    Page,
}

impl Access {
    /// Whether `caller` may use a method of this access.
    pub fn admits(self, caller: &Caller) -> bool {
        match (self, caller) {
            (Self::Owner, Caller::Owner) | (Self::Page, Caller::Page { .. }) => true,
            (Self::Owner, Caller::Page { .. }) | (Self::Page, Caller::Owner) => false,
        }
    }
}
