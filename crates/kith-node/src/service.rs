//! The contract, method by method: each is a line here, and its logic in the module it belongs to.

use std::sync::Arc;

use kith_api::{
    AppInfo, AppRef, Append, Appended, Apps, Ask, AskFiles, AskRef, BlobRef, BlockPeer, BoxFuture,
    Caller, CreateSpace, Doorkeeper, DraftTaken, Empty, Entries, Error, ErrorCode, EventStream,
    Events, ExportedKey, File, FolderFiles, FolderRead, FreeFiles, Get, GiveFiles, HeldFiles,
    HeldPart, Import, ImportKey, Imported, Invite, InviteLink, JobRef, KeyInfo, KeyRef, Keys, Me,
    Members, Offer, OpenBegin, OpenBegun, OpenConfirm, OpenedSpace, OpeningRef, Origin, PageLink,
    PageUrl, Peers, Place, PlaceOffer, ProblemRef, Publish, Published, Read, Removed, RenameSpace,
    Result, SendMessage, Sent, Service, SetName, Settings, SettingsChange, Share, SpaceRef, Spaces,
    Status, Subscription,
};
use kith_log::SpaceId;

use crate::files::parse_hash;
use crate::node::Node;

/// The space of a page. Dispatch has checked that it is a page that calls.
fn space_of(caller: &Caller) -> Result<SpaceId> {
    match caller {
        Caller::Page { space, .. } => Ok(*space),
        Caller::Owner => {
            Err(Error::new(ErrorCode::NotPermitted, "Only a page of a space can call this."))
        }
    }
}

/// One method: `self` and the parameters, in an async block.
macro_rules! serve {
    ($($fn:ident($node:ident, $caller:ident, $params:ident: $type:ty) -> $reply:ty $body:block)+) => {$(
        fn $fn<'a>(&'a self, $caller: &'a Caller, $params: $type) -> BoxFuture<'a, Result<$reply>> {
            let $node = &self.inner;
            Box::pin(async move { $body })
        }
    )+};
}

impl Service for Node {
    serve! {
        me(node, caller, _none: Empty) -> Me { node.spaces.me(&space_of(caller)?) }
        me_set_name(node, caller, name: SetName) -> Empty {
            node.spaces.set_name(&space_of(caller)?, &name).await?;
            Ok(Empty {})
        }
        space_append(node, caller, append: Append) -> Appended {
            node.append(&space_of(caller)?, append).await
        }
        space_read(node, caller, read: Read) -> Entries { node.spaces.read(&space_of(caller)?, &read) }
        space_members(node, caller, _none: Empty) -> Members { node.spaces.members(&space_of(caller)?) }
        space_send(node, caller, message: SendMessage) -> Sent {
            node.spaces.send(&space_of(caller)?, message)
        }
        blobs_fetch(node, caller, blob: BlobRef) -> Empty {
            node.fetch_file(space_of(caller)?, parse_hash(&blob.hash)?, None).await?;
            Ok(Empty {})
        }
        blobs_pause(node, caller, blob: BlobRef) -> Empty {
            node.pause_file(space_of(caller)?, parse_hash(&blob.hash)?).await?;
            Ok(Empty {})
        }
        blobs_drop(node, caller, blob: BlobRef) -> Empty {
            node.drop_file(space_of(caller)?, parse_hash(&blob.hash)?).await?;
            Ok(Empty {})
        }
        blobs_files(node, caller, read: FolderRead) -> FolderFiles {
            node.folder_files(space_of(caller)?, read).await
        }
        space_link(node, caller, _none: Empty) -> InviteLink { node.link_for_page(space_of(caller)?).await }
        space_offer(node, caller, offer: Offer) -> Empty {
            node.offer(space_of(caller)?, offer).await?;
            Ok(Empty {})
        }
        space_import(node, caller, import: Import) -> Imported {
            Ok(Imported { files: node.import(space_of(caller)?, import).await? })
        }
        space_draft(node, caller, _none: Empty) -> DraftTaken {
            Ok(DraftTaken { draft: node.asks.take_draft(&space_of(caller)?) })
        }

        app_reload(node, caller, _none: Empty) -> Empty {
            node.reload_pages(&space_of(caller)?)?;
            Ok(Empty {})
        }

        node_status(node, _caller, _none: Empty) -> Status { Ok(node.status()) }
        node_stop(node, _caller, _none: Empty) -> Empty {
            node.stop();
            Ok(Empty {})
        }
        page_url(node, _caller, page: PageUrl) -> PageLink { node.page_url(&page).await }
        problems_dismiss(node, _caller, problem: ProblemRef) -> Empty {
            node.dismiss_problem(problem.id);
            Ok(Empty {})
        }
        settings_get(node, _caller, _none: Empty) -> Settings { Ok(node.settings.get()) }
        settings_set(node, _caller, change: SettingsChange) -> Settings {
            let settings = node.settings.set(change).await?;
            node.changed();
            Ok(settings)
        }

        apps_list(node, _caller, _none: Empty) -> Apps { Ok(Apps { apps: node.app_infos()? }) }
        apps_publish(node, _caller, publish: Publish) -> Published { node.publish(publish).await }
        apps_update(node, _caller, app: AppRef) -> AppInfo { node.update_app(&app).await }
        apps_remove(node, _caller, app: AppRef) -> Removed { node.remove_app(&app).await }
        open_begin(node, _caller, begin: OpenBegin) -> OpenBegun { node.open_begin(begin).await }
        open_confirm(node, _caller, confirm: OpenConfirm) -> OpenedSpace {
            node.open_confirm(confirm).await
        }
        open_cancel(node, _caller, opening: OpeningRef) -> Empty {
            node.open_cancel(&opening.opening).await?;
            Ok(Empty {})
        }

        asks_look(node, _caller, ask: AskRef) -> Ask { node.look_at_ask(&ask.ask) }
        asks_files(node, _caller, ask: AskRef) -> AskFiles { node.files_for_ask(&ask.ask) }
        asks_give(node, _caller, give: GiveFiles) -> Empty {
            node.give_files(&give).await?;
            Ok(Empty {})
        }
        asks_place(node, _caller, place: PlaceOffer) -> OpenedSpace { node.place_offer(&place).await }
        asks_refuse(node, _caller, ask: AskRef) -> Empty {
            node.refuse_ask(&ask.ask)?;
            Ok(Empty {})
        }

        spaces_list(node, _caller, _none: Empty) -> Spaces { node.spaces_list() }
        spaces_create(node, _caller, create: CreateSpace) -> OpenedSpace { node.create_space(create).await }
        spaces_invite(node, _caller, invite: Invite) -> InviteLink { node.invite(&invite).await }
        files_held(node, _caller, space: SpaceRef) -> HeldFiles { node.files_held(&space.space) }
        files_free(node, _caller, free: FreeFiles) -> HeldPart { node.free_files(&free).await }
        spaces_leave(node, _caller, space: SpaceRef) -> Empty {
            node.leave(&space.space).await?;
            Ok(Empty {})
        }
        spaces_rename(node, _caller, rename: RenameSpace) -> Empty {
            node.rename_space(rename).await?;
            Ok(Empty {})
        }

        peers_list(node, _caller, _none: Empty) -> Peers { Ok(Peers { peers: node.peer_infos()? }) }
        peers_block(node, _caller, block: BlockPeer) -> Empty {
            node.block_peer(&block).await?;
            Ok(Empty {})
        }
        files_share(node, _caller, share: Share) -> JobRef { node.share_files(share).await }
        files_get(node, _caller, get: Get) -> JobRef { node.get_files(get).await }
        jobs_cancel(node, _caller, job: JobRef) -> Empty {
            node.jobs.cancel(&job.job)?;
            Ok(Empty {})
        }
        keys_list(node, _caller, _none: Empty) -> Keys { Ok(Keys { keys: node.apps.keys()? }) }
        keys_export(node, _caller, key: KeyRef) -> ExportedKey {
            let (name, secret) = node.apps.find_key(&key.key)?;
            Ok(ExportedKey { name, app: secret.id().to_string(), secret: secret.export().to_string() })
        }
        keys_import(node, _caller, key: ImportKey) -> KeyInfo {
            node.apps.import_key(&key.name, &key.secret).await
        }
    }
}

impl Events for Node {
    fn subscribe<'a>(
        &'a self,
        caller: &'a Caller,
        subscription: Subscription,
    ) -> BoxFuture<'a, Result<EventStream>> {
        let node: &Arc<_> = &self.inner;
        Box::pin(async move {
            if !subscription.access().admits(caller) {
                return Err(Error::new(
                    ErrorCode::NotPermitted,
                    "This can't be watched from here.",
                ));
            }
            match subscription {
                Subscription::Entries { after, kind } => {
                    node.spaces.watch_entries(space_of(caller)?, after, kind)
                }
                Subscription::Messages => node.spaces.watch_messages(&space_of(caller)?),
                Subscription::Presence => node.spaces.watch_presence(&space_of(caller)?),
                Subscription::Arrival => node.watch_arrival(&space_of(caller)?),
                Subscription::App { loaded } => {
                    node.watch_app(space_of(caller)?, loaded.as_deref())
                }
                Subscription::Files => node.watch_files(space_of(caller)?),
                Subscription::Job { job } => node.jobs.watch(&job),
                Subscription::Status => Ok(node.watch_status()),
                Subscription::Opening { opening } => node.openings.watch(&opening),
            }
        })
    }

    fn place_lost<'a>(&'a self, caller: &'a Caller) -> BoxFuture<'a, ()> {
        match caller {
            Caller::Page { app, space } => Box::pin(self.inner.page_open(*space, app)),
            Caller::Owner => Box::pin(std::future::pending()),
        }
    }
}

impl Doorkeeper for Node {
    fn origin(&self, label: &str) -> Option<Origin> {
        let (space, open) = self.inner.spaces.behind(label)?;
        let granted = self.inner.apps.granted(&open.app);
        let ready = granted.is_some();
        Some(Origin { app: open.app, space, ready, granted: granted.unwrap_or_default() })
    }

    fn removed(&self, label: &str) -> bool {
        let removed = self.inner.spaces.removed(label);
        if removed {
            let (node, label) = (self.inner.clone(), label.to_owned());
            self.inner.spawn(async move {
                if let Err(error) = node.store.forget_removed(&label).await {
                    tracing::debug!(%error, "the browser is told twice");
                }
            });
        }
        removed
    }

    fn loads(&self, origin: &Origin, again: bool) {
        self.inner.page_loads(origin.space, &origin.app, again);
    }

    fn redeem(&self, token: &str, place: &Place) -> Option<String> {
        self.inner.doorkeeper.redeem(token, place, std::time::Instant::now())
    }

    fn admits(&self, session: &str, place: &Place) -> bool {
        self.inner.doorkeeper.admits(session, place)
    }

    fn file<'a>(&'a self, origin: &'a Origin, path: &'a str) -> BoxFuture<'a, Result<File>> {
        Box::pin(async move {
            let version = self.inner.version_of(&origin.space, &origin.app)?;
            self.inner.apps.file(&version, path).await
        })
    }
}
