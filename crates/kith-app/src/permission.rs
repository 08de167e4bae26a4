//! What an app can ask a person for.

/// Something that an app gets only when the person has said yes. Its own space needs no
/// permission: to read and write there is what an app is opened for. The network is not in the
/// list, because no app gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Permission {
    /// The camera, in the browser.
    Camera,
    /// The microphone, in the browser.
    Microphone,
    /// Where the device is, from the browser.
    Location,
    /// Links that let others into the space, from the node.
    Invite,
}

impl Permission {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Camera, Self::Microphone, Self::Location, Self::Invite];

    /// Its name in a manifest.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Camera => "camera",
            Self::Microphone => "microphone",
            Self::Location => "location",
            Self::Invite => "invite",
        }
    }

    /// The permission of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|permission| permission.name() == name)
    }

    /// What it allows, in words for the person who is asked: “This app wants to …”.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Camera => "use the camera",
            Self::Microphone => "use the microphone",
            Self::Location => "know where you are",
            Self::Invite => "make links that let others into its spaces",
        }
    }

    /// The feature of the `Permissions-Policy` header that it opens to the app's own page; none where
    /// it is not the browser's to give.
    pub const fn feature(self) -> Option<&'static str> {
        match self {
            Self::Camera => Some("camera"),
            Self::Microphone => Some("microphone"),
            Self::Location => Some("geolocation"),
            Self::Invite => None,
        }
    }
}
