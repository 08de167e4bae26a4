//! The methods: one line each, from which the trait, the dispatch by name and the TypeScript types
//! are made. To add one: a line here, its types in `model.rs`, and its place in the node.

use serde_json::Value;

#[allow(clippy::wildcard_imports, reason = "the table names nearly every type of the model")]
use crate::model::*;
use crate::typescript::{Declared, Described};
use crate::{Access, BoxFuture, Caller, Doorkeeper, Error, ErrorCode, Events, Files, Result};

/// One method, as data: for help texts, types and the test that each is refused to the wrong caller.
#[derive(Clone, Copy, Debug)]
pub struct Method {
    /// Its name on the wire.
    pub name: &'static str,
    /// Who may call it.
    pub access: Access,
    /// The first line of its documentation.
    pub doc: &'static str,
    /// TypeScript's name of its parameters.
    pub params: fn() -> String,
    /// TypeScript's name of its reply.
    pub reply: fn() -> String,
}

macro_rules! methods {
    ($($(#[doc = $doc:literal])+ $access:ident $name:literal => $fn:ident($params:ty) -> $reply:ty;)+) => {
        /// The node, as its callers see it. Dispatch has checked who calls.
        pub trait Service: Events + Doorkeeper + Files + Send + Sync + 'static {
            $($(#[doc = $doc])+
            fn $fn<'a>(&'a self, caller: &'a Caller, params: $params) -> BoxFuture<'a, Result<$reply>>;)+
        }

        /// All methods, in the order of the documentation.
        pub const METHODS: &[Method] = &[$(Method {
            name: $name,
            access: Access::$access,
            doc: concat!($($doc, "\n"),+),
            params: <$params as Described>::name,
            reply: <$reply as Described>::name,
        }),+];

        #[cfg(test)]
        impl Service for tests::Nothing {
            $(fn $fn<'a>(&'a self, _: &'a Caller, _: $params) -> BoxFuture<'a, Result<$reply>> {
                Box::pin(tests::reached($name))
            })+
        }

        /// Declares every type that a method mentions.
        pub(crate) const TYPES: &[fn(&mut Declared)] =
            &[$(|declared| { declared.add::<$params>(); declared.add::<$reply>(); }),+];

        /// Calls a method by its name: the one place where the caller's right to it is checked.
        ///
        /// # Errors
        /// [`ErrorCode::UnknownMethod`], [`ErrorCode::NotPermitted`], [`ErrorCode::InvalidParams`],
        /// and those of the method.
        pub async fn dispatch(
            service: &dyn Service,
            caller: &Caller,
            method: &str,
            params: Value,
        ) -> Result<Value> {
            match method {
                $($name => {
                    permit(Access::$access, caller, method)?;
                    let reply: $reply = service.$fn(caller, parse(params)?).await?;
                    Ok(encode(&reply))
                })+
                _ => Err(Error::new(ErrorCode::UnknownMethod, format!("There is no method “{method}”."))),
            }
        }
    };
}

methods! {
    /// Who this page's person is in this space.
    Page "me" => me(Empty) -> Me;
    /// Sets the name that others in this space see.
    Page "me.setName" => me_set_name(SetName) -> Empty;
    /// Appends to one's own log in this space. Answered once it is safe on disk.
    Page "space.append" => space_append(Append) -> Appended;
    /// Reads entries in the order in which they arrived here.
    Page "space.read" => space_read(Read) -> Entries;
    /// The people of this space, present or not.
    Page "space.members" => space_members(Empty) -> Members;
    /// Sends a message that is not kept to those who are online.
    Page "space.send" => space_send(SendMessage) -> Sent;
    /// Has all pages of this space load the installed version of their app.
    Page "app.reload" => app_reload(Empty) -> Empty;

    /// Begins to fetch a file or folder of this space, or goes on.
    Page "blobs.fetch" => blobs_fetch(BlobRef) -> Empty;
    /// Stops fetching; what came is kept.
    Page "blobs.pause" => blobs_pause(BlobRef) -> Empty;
    /// Stops fetching, and deletes what is held of it here. It may be fetched again.
    Page "blobs.drop" => blobs_drop(BlobRef) -> Empty;
    /// Files of a folder that is here.
    Page "blobs.files" => blobs_files(FolderRead) -> FolderFiles;
    /// A link that lets its holder into this space, for pages whose person granted `invite`.
    Page "space.link" => space_link(Empty) -> InviteLink;
    /// Offers a text or a file to a chat, which the person chooses. Answered when they have, and the
    /// same whether they chose one or none.
    Page "space.offer" => space_offer(Offer) -> Empty;
    /// Asks the person for files of this space and of their chats. Answered when they have chosen: with
    /// copies for this space, and nothing of what they did not choose.
    Page "space.import" => space_import(Import) -> Imported;
    /// Takes the next draft that the person brought into this space.
    Page "space.draft" => space_draft(Empty) -> DraftTaken;

    /// The state of the node.
    Owner "node.status" => node_status(Empty) -> Status;
    /// Stops the node.
    Owner "node.stop" => node_stop(Empty) -> Empty;
    /// A URL, with a token that works once, of the dashboard or a space, and a local file that
    /// leads there.
    Owner "page.url" => page_url(PageUrl) -> PageLink;
    /// Takes a problem off the status: it was seen, or mended. One that is still there comes back.
    Owner "problems.dismiss" => problems_dismiss(ProblemRef) -> Empty;
    /// The settings.
    Owner "settings.get" => settings_get(Empty) -> Settings;
    /// Changes settings. What is left out stays.
    Owner "settings.set" => settings_set(SettingsChange) -> Settings;

    /// The installed apps.
    Owner "apps.list" => apps_list(Empty) -> Apps;
    /// Signs, stores and announces a bundle.
    Owner "apps.publish" => apps_publish(Publish) -> Published;
    /// Installs the newer version that waits, and grants what it asks for.
    Owner "apps.update" => apps_update(AppRef) -> AppInfo;
    /// Leaves all spaces of an app and deletes it. Its publishing key, where there is one, stays.
    Owner "apps.remove" => apps_remove(AppRef) -> Removed;
    /// Starts to open a link or a bundle file. What is then asked and done is told by the
    /// subscription `opening`.
    Owner "open.begin" => open_begin(OpenBegin) -> OpenBegun;
    /// Answers what the opening asked.
    Owner "open.confirm" => open_confirm(OpenConfirm) -> OpenedSpace;
    /// Gives an opening up.
    Owner "open.cancel" => open_cancel(OpeningRef) -> Empty;

    /// What an app asks.
    Owner "asks.look" => asks_look(AskRef) -> Ask;
    /// Puts what an app offers into a space as a draft, with a copy of its file.
    Owner "asks.place" => asks_place(PlaceOffer) -> OpenedSpace;
    /// Files that fit what an app asks for.
    Owner "asks.files" => asks_files(AskRef) -> AskFiles;
    /// Gives an app copies of files.
    Owner "asks.give" => asks_give(GiveFiles) -> Empty;
    /// Answers what an app asks with nothing.
    Owner "asks.refuse" => asks_refuse(AskRef) -> Empty;

    /// The spaces.
    Owner "spaces.list" => spaces_list(Empty) -> Spaces;
    /// A new space of an installed app.
    Owner "spaces.create" => spaces_create(CreateSpace) -> OpenedSpace;
    /// A link that lets its holder into a space.
    Owner "spaces.invite" => spaces_invite(Invite) -> InviteLink;
    /// Leaves a space and deletes what is held of it here.
    Owner "spaces.leave" => spaces_leave(SpaceRef) -> Empty;
    /// Gives a space a name of one's own, seen by nobody else.
    Owner "spaces.rename" => spaces_rename(RenameSpace) -> Empty;

    /// Begins to share files and folders. What is then done is told by the subscription `job`.
    Owner "files.share" => files_share(Share) -> JobRef;
    /// Begins to get what was shared by a link, and to write it into a folder.
    Owner "files.get" => files_get(Get) -> JobRef;
    /// What is held of a space's files, and could be freed.
    Owner "files.held" => files_held(SpaceRef) -> HeldFiles;
    /// Deletes what is held of a space's files, and stops fetching them. Entries stay, and files can be
    /// fetched again from who has them. Returns what went.
    Owner "files.free" => files_free(FreeFiles) -> HeldPart;
    /// Gives a job up. What came is kept, and goes on from there the next time.
    Owner "jobs.cancel" => jobs_cancel(JobRef) -> Empty;

    /// Connected, known and tried peers.
    Owner "peers.list" => peers_list(Empty) -> Peers;
    /// Ends a peer's connections and accepts none any more, or takes that back.
    Owner "peers.block" => peers_block(BlockPeer) -> Empty;
    /// The names and ids of publishing keys.
    Owner "keys.list" => keys_list(Empty) -> Keys;
    /// A publishing key's secret. Whoever has it can publish the app.
    Owner "keys.export" => keys_export(KeyRef) -> ExportedKey;
    /// Takes a publishing key in.
    Owner "keys.import" => keys_import(ImportKey) -> KeyInfo;
}

fn permit(access: Access, caller: &Caller, method: &str) -> Result<()> {
    if access.admits(caller) {
        return Ok(());
    }
    Err(Error::new(ErrorCode::NotPermitted, format!("“{method}” can't be called from here.")).why(
        match access {
            Access::Owner => "Only the person whose node this is may call it.",
            Access::Page => "It belongs to the page of a space.",
        },
    ))
}

fn parse<T: serde::de::DeserializeOwned>(params: Value) -> Result<T> {
    let params = if params.is_null() { Value::Object(serde_json::Map::new()) } else { params };
    serde_json::from_value(params).map_err(|error| {
        Error::new(ErrorCode::InvalidParams, "The parameters do not fit the method.")
            .why(error.to_string())
    })
}

fn encode<T: serde::Serialize>(reply: &T) -> Value {
    serde_json::to_value(reply).expect("replies are plain data with string keys")
}

#[cfg(test)]
pub(crate) mod tests {
    use std::future::{pending, ready};

    use futures_util::{FutureExt, stream};
    use kith_app::AppId;
    use kith_log::SpaceId;

    use super::*;
    use crate::{
        Event, EventStream, File, FileSink, NewFile, OpenFile, Origin, Place, Subscription,
    };

    /// A service whose every method says that it was reached, but for `apps.list`, which waits.
    pub(crate) struct Nothing;

    /// The reply of each method.
    pub(super) async fn reached<T>(method: &str) -> Result<T> {
        if method == "apps.list" {
            pending::<()>().await;
        }
        Err(Error::new(ErrorCode::Internal, "reached"))
    }

    impl Events for Nothing {
        fn subscribe<'a>(
            &'a self,
            _: &'a Caller,
            _: Subscription,
        ) -> BoxFuture<'a, Result<EventStream>> {
            let events = stream::iter([Event::Missed { count: 7 }, Event::Missed { count: 8 }]);
            Box::pin(ready(Ok(Box::pin(events) as EventStream)))
        }
    }

    impl Doorkeeper for Nothing {
        fn origin(&self, _: &str) -> Option<Origin> {
            None
        }

        fn redeem(&self, _: &str, _: &Place) -> Option<String> {
            None
        }

        fn admits(&self, _: &str, _: &Place) -> bool {
            false
        }

        fn file<'a>(&'a self, _: &'a Origin, _: &'a str) -> BoxFuture<'a, Result<File>> {
            Box::pin(ready(Err(Error::new(ErrorCode::NotFound, "nothing"))))
        }
    }

    impl Files for Nothing {
        fn open_file<'a>(&'a self, _: &'a SpaceId, _: &'a str) -> BoxFuture<'a, Result<OpenFile>> {
            Box::pin(ready(Err(Error::new(ErrorCode::NotFound, "nothing"))))
        }

        fn receive_file<'a>(
            &'a self,
            _: &'a SpaceId,
            _: NewFile,
        ) -> BoxFuture<'a, Result<Box<dyn FileSink>>> {
            Box::pin(ready(Err(Error::new(ErrorCode::NotFound, "nothing"))))
        }
    }

    fn code(caller: &Caller, method: &str) -> ErrorCode {
        match dispatch(&Nothing, caller, method, Value::Null).now_or_never() {
            Some(reply) => reply.unwrap_err().code,
            None => ErrorCode::Internal,
        }
    }

    #[test]
    fn each_method_is_refused_to_the_wrong_caller_before_its_parameters_are_read() {
        let page =
            Caller::Page { app: AppId::from_bytes([1; 32]), space: SpaceId::from_bytes([2; 32]) };
        for method in METHODS {
            let (right, wrong) = match method.access {
                Access::Owner => (&Caller::Owner, &page),
                Access::Page => (&page, &Caller::Owner),
            };
            assert_eq!(code(wrong, method.name), ErrorCode::NotPermitted, "{}", method.name);
            assert_ne!(code(right, method.name), ErrorCode::NotPermitted, "{}", method.name);
        }
    }

    #[test]
    fn unknown_methods_and_ill_fitting_parameters_have_codes_of_their_own() {
        assert_eq!(code(&Caller::Owner, "node.fly"), ErrorCode::UnknownMethod);
        assert_eq!(code(&Caller::Owner, "spaces.leave"), ErrorCode::InvalidParams);
        assert_eq!(code(&Caller::Owner, "node.status"), ErrorCode::Internal);
    }
}
