//! What apps ask of the person that reaches beyond their space. The dashboard shows it, and the person
//! answers there; the page waits, and a page that goes away takes its question with it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use kith_api::{
    Ask, AskInfo, Draft, Error, ErrorCode, FileRef, Import, MAX_OFFERED_TEXT, Offer, OpenedSpace,
    PlaceOffer, Result,
};
use kith_app::AppId;
use kith_log::SpaceId;
use kith_log::file::Attachment;
use tokio::sync::oneshot;

use crate::apps::no_app;
use crate::bundled;
use crate::files::file_ref;
use crate::node::Inner;
use crate::random::random;

/// Questions shown at once, one of each app: more are no list that a person reads.
const MAX_ASKS: usize = 8;
/// Drafts that no page has taken; the oldest goes first. 16 x 16 KB.
const MAX_DRAFTS: usize = 16;
/// How long an app may not ask again after a no, so that it can't wear the person out.
const REST: Duration = Duration::from_secs(10);

/// What is asked, and what was answered and not fetched yet.
#[derive(Default)]
pub(crate) struct Asks(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// The oldest first.
    open: Vec<Arc<OneAsk>>,
    /// When the person said no to an app.
    refused: BTreeMap<AppId, Instant>,
    drafts: VecDeque<(SpaceId, Draft)>,
}

/// One question.
pub(crate) struct OneAsk {
    pub(crate) id: String,
    app: AppId,
    app_name: String,
    pub(crate) space: SpaceId,
    what: What,
    answer: Mutex<Option<oneshot::Sender<Vec<FileRef>>>>,
}

/// What is asked.
pub(crate) enum What {
    /// Something is for a chat.
    Offer { text: String, file: Option<Attachment> },
    /// Files are wanted.
    Import(Import),
}

impl OneAsk {
    /// Which files are wanted.
    pub(crate) fn import(&self) -> Result<&Import> {
        match &self.what {
            What::Import(import) => Ok(import),
            What::Offer { .. } => Err(other_question()),
        }
    }

    /// Lets the page go on, with what it is given.
    fn answer(&self, files: Vec<FileRef>) {
        if let Some(answer) = self.answer.lock().expect("no panic while held").take() {
            // The page may have gone meanwhile.
            let _ = answer.send(files);
        }
    }
}

impl Asks {
    /// What is asked, in short.
    pub(crate) fn told(&self) -> Vec<AskInfo> {
        let known = self.0.lock().expect("no panic while held");
        let info = |ask: &Arc<OneAsk>| AskInfo {
            ask: ask.id.clone(),
            app: ask.app.to_string(),
            app_name: ask.app_name.clone(),
        };
        known.open.iter().map(info).collect()
    }

    /// Adds a question, where its app may ask now.
    fn add(&self, ask: Arc<OneAsk>, now: Instant) -> Result<()> {
        let mut known = self.0.lock().expect("no panic while held");
        known.refused.retain(|_, refused| now.saturating_duration_since(*refused) < REST);
        let too_many = |what: &str| Error::new(ErrorCode::TooMany, what);
        if known.open.iter().any(|one| one.app == ask.app) {
            return Err(too_many("This app asks for something already.")
                .why("kith shows one question of an app at a time.")
                .todo("Answer that one first, in kith."));
        }
        if known.refused.contains_key(&ask.app) {
            return Err(too_many("kith does not ask again yet.")
                .why("You said no a moment ago.")
                .todo("Try again in a few seconds."));
        }
        if known.open.len() >= MAX_ASKS {
            return Err(too_many("Too many apps ask for something.")
                .todo("Answer some of them first, in kith."));
        }
        known.open.push(ask);
        Ok(())
    }

    pub(crate) fn get(&self, id: &str) -> Result<Arc<OneAsk>> {
        let known = self.0.lock().expect("no panic while held");
        known.open.iter().find(|ask| ask.id == id).cloned().ok_or_else(|| {
            Error::new(ErrorCode::NotFound, "The app does not ask this any more.")
                .why("It was answered, or the app's page was closed.")
        })
    }

    fn end(&self, id: &str) {
        self.0.lock().expect("no panic while held").open.retain(|ask| ask.id != id);
    }

    fn refuse(&self, id: &str, now: Instant) -> Result<()> {
        let ask = self.get(id)?;
        self.0.lock().expect("no panic while held").refused.insert(ask.app, now);
        self.end(id);
        ask.answer(Vec::new());
        Ok(())
    }

    /// Ends a question with an answer.
    pub(crate) fn answer(&self, ask: &OneAsk, files: Vec<FileRef>) {
        self.end(&ask.id);
        ask.answer(files);
    }

    fn put_draft(&self, space: SpaceId, draft: Draft) {
        let drafts = &mut self.0.lock().expect("no panic while held").drafts;
        if drafts.len() == MAX_DRAFTS {
            drafts.pop_front();
        }
        drafts.push_back((space, draft));
    }

    /// The next draft of a space.
    pub(crate) fn take_draft(&self, space: &SpaceId) -> Option<Draft> {
        let drafts = &mut self.0.lock().expect("no panic while held").drafts;
        let at = drafts.iter().position(|(of, _)| of == space)?;
        drafts.remove(at).map(|(_, draft)| draft)
    }
}

/// A question for as long as its page waits.
struct Asking {
    node: Arc<Inner>,
    id: String,
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.node.asks.end(&self.id);
        self.node.changed();
    }
}

impl Inner {
    /// Offers what a page has to the person's chats, and waits until they have answered.
    pub(crate) async fn offer(self: &Arc<Self>, space: SpaceId, offer: Offer) -> Result<()> {
        let Offer { text, file } = offer;
        if text.is_empty() && file.is_none() {
            return Err(Error::new(ErrorCode::InvalidParams, "There is nothing to send."));
        }
        if text.len() > MAX_OFFERED_TEXT {
            return Err(Error::new(ErrorCode::TooLarge, "This text is too long for a chat.")
                .why(format!("It has {} bytes, and {MAX_OFFERED_TEXT} is the most.", text.len())));
        }
        let file = file.map(|file| self.attached(&space, &file)).transpose()?.map(typed);
        if let Some(file) = &file {
            self.check_carried(&space, file)?;
        }
        self.ask_person(space, What::Offer { text, file }).await?;
        Ok(())
    }

    /// Asks the person, and waits until they have answered.
    pub(crate) async fn ask_person(
        self: &Arc<Self>,
        space: SpaceId,
        what: What,
    ) -> Result<Vec<FileRef>> {
        let app = self.spaces.get(&space)?.app;
        let record = self.store.app(&app)?.ok_or_else(no_app)?;
        let app_name = self.apps.unused(&record)?.name;
        let (answer, answered) = oneshot::channel();
        let id = HEXLOWER.encode(&random::<16>()?);
        let answer = Mutex::new(Some(answer));
        let ask = OneAsk { id: id.clone(), app, app_name, space, what, answer };
        self.asks.add(Arc::new(ask), Instant::now())?;
        let asking = Asking { node: self.clone(), id };
        self.changed();
        // The sender goes only with an answer, or with the question.
        let files = answered.await.unwrap_or_default();
        drop(asking);
        Ok(files)
    }

    /// What an app asks, and what may be answered.
    pub(crate) fn look_at_ask(&self, id: &str) -> Result<Ask> {
        let ask = self.asks.get(id)?;
        let (text, file, import) = match &ask.what {
            What::Offer { text, file } => (text.clone(), file.as_ref().map(file_ref), None),
            What::Import(import) => (String::new(), None, Some(import.clone())),
        };
        let to_app = bundled::takes_drafts();
        let to = match &to_app {
            Some(app) => self.spaces.of_app(app),
            None => Vec::new(),
        };
        Ok(Ask {
            ask: ask.id.clone(),
            app: ask.app.to_string(),
            app_name: ask.app_name.clone(),
            space: ask.space.to_string(),
            import,
            text,
            file,
            to: to.iter().map(ToString::to_string).collect(),
            to_app: to_app.map(|app| app.to_string()),
        })
    }

    /// Puts what an app offers into the space that the person chose, as a draft.
    pub(crate) async fn place_offer(self: &Arc<Self>, place: &PlaceOffer) -> Result<OpenedSpace> {
        let ask = self.asks.get(&place.ask)?;
        let space = self.parse_space(&place.space)?;
        let app = self.spaces.get(&space)?.app;
        if bundled::takes_drafts() != Some(app) {
            return Err(Error::new(ErrorCode::NotPermitted, "This space takes no messages."));
        }
        let What::Offer { text, file } = &ask.what else { return Err(other_question()) };
        let file = match file {
            Some(file) => Some(self.carry(file, ask.space, space).await?),
            None => None,
        };
        // The page may have gone while its file was copied: then nothing is sent from it.
        self.asks.get(&place.ask)?;
        let draft = Draft { text: text.clone(), files: file.into_iter().collect() };
        self.asks.put_draft(space, draft);
        self.asks.answer(&ask, Vec::new());
        self.used(space).await;
        self.changed();
        self.opened(app, space, "").await
    }

    /// The person said no.
    pub(crate) fn refuse_ask(&self, id: &str) -> Result<()> {
        self.asks.refuse(id, Instant::now())?;
        self.changed();
        Ok(())
    }
}

fn other_question() -> Error {
    Error::new(ErrorCode::InvalidParams, "This is no answer to what the app asks.")
}

/// Gives a file the type that its name tells, where its app says none: so that a chat shows a picture.
fn typed(file: Attachment) -> Attachment {
    if !file.media_type.is_empty() {
        return file;
    }
    let told = kith_app::content_type(file.name.as_str()).split(';').next().unwrap_or_default();
    Attachment { media_type: told.trim().parse().unwrap_or_default(), ..file }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(n: u8) -> (Arc<OneAsk>, oneshot::Receiver<Vec<FileRef>>) {
        let (answer, answered) = oneshot::channel();
        let ask = OneAsk {
            id: n.to_string(),
            app: AppId::from_bytes([n; 32]),
            app_name: format!("App {n}"),
            space: SpaceId::from_bytes([n; 32]),
            what: What::Offer { text: String::new(), file: None },
            answer: Mutex::new(Some(answer)),
        };
        (Arc::new(ask), answered)
    }

    fn code<T>(result: Result<T>) -> Option<ErrorCode> {
        result.err().map(|error| error.code)
    }

    #[test]
    fn an_app_asks_one_question_at_a_time_and_all_apps_a_few() {
        let (asks, now) = (Asks::default(), Instant::now());
        for n in 0..1_000 {
            let refused = (n > 0).then_some(ErrorCode::TooMany);
            assert_eq!(code(asks.add(ask(0).0, now)), refused);
        }
        for n in 1..=u8::MAX {
            let refused = (usize::from(n) >= MAX_ASKS).then_some(ErrorCode::TooMany);
            assert_eq!(code(asks.add(ask(n).0, now)), refused);
        }
        assert_eq!(asks.told().len(), MAX_ASKS);
    }

    #[test]
    fn after_a_no_the_page_goes_on_and_its_app_rests() {
        let (asks, now) = (Asks::default(), Instant::now());
        let (one, mut answered) = ask(1);
        asks.add(one, now).unwrap();
        asks.refuse("1", now).unwrap();
        assert_eq!(answered.try_recv(), Ok(Vec::new()));
        assert_eq!(code(asks.refuse("1", now)), Some(ErrorCode::NotFound));
        assert_eq!(code(asks.add(ask(1).0, now + REST / 2)), Some(ErrorCode::TooMany));
        assert_eq!(code(asks.add(ask(2).0, now)), None);
        assert_eq!(code(asks.add(ask(1).0, now + REST)), None);
    }

    #[test]
    fn drafts_are_taken_once_by_their_own_space_the_oldest_first() {
        let asks = Asks::default();
        let space = |n| SpaceId::from_bytes([n; 32]);
        let draft = |text: &str| Draft { text: text.into(), files: Vec::new() };
        asks.put_draft(space(1), draft("a"));
        asks.put_draft(space(2), draft("b"));
        asks.put_draft(space(1), draft("c"));
        let take = |n| asks.take_draft(&space(n)).map(|draft| draft.text);
        assert_eq!([take(1), take(1), take(1)], [Some("a".into()), Some("c".into()), None]);
        assert_eq!([take(2), take(2)], [Some("b".into()), None]);
        for _ in 0..100 {
            asks.put_draft(space(3), draft("d"));
        }
        assert_eq!(std::iter::from_fn(|| take(3)).count(), MAX_DRAFTS);
    }
}
