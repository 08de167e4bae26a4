//! What takes a while and was asked for by the person: its stages, and how it is given up.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use data_encoding::HEXLOWER;
use kith_api::{Error, ErrorCode, Event, EventStream, JobStage, Result};
use tokio::sync::watch;

use crate::node::Inner;
use crate::random::random;
use crate::streams;

/// Jobs remembered, those that ended included; the oldest that is over goes first.
const MAX_JOBS: usize = 64;
/// Between two reports of one stage.
const REPORT_GAP: Duration = Duration::from_millis(100);

/// The jobs.
#[derive(Default)]
pub(crate) struct Jobs(Mutex<VecDeque<Arc<Job>>>);

/// One of them.
pub(super) struct Job {
    id: String,
    stage: watch::Sender<JobStage>,
    task: Mutex<Option<tokio::task::AbortHandle>>,
}

impl Job {
    /// Tells how far it is.
    pub(super) fn tell(&self, stage: JobStage) {
        self.stage.send_if_modified(|now| {
            let is_news = !now.is_over() && *now != stage;
            if is_news {
                *now = stage;
            }
            is_news
        });
    }
}

impl Jobs {
    fn add(&self, stage: JobStage) -> Result<Arc<Job>> {
        let id = HEXLOWER.encode(&random::<16>()?);
        let job = Arc::new(Job { id, stage: watch::Sender::new(stage), task: Mutex::default() });
        let mut jobs = self.0.lock().expect("no panic while held");
        if jobs.len() == MAX_JOBS {
            let over = jobs.iter().position(|job| job.stage.borrow().is_over());
            let over = over.ok_or_else(|| {
                Error::new(ErrorCode::TooMany, "64 files are being shared or got already.")
                    .todo("Wait until some of them are done.")
            })?;
            jobs.remove(over);
        }
        jobs.push_back(job.clone());
        Ok(job)
    }

    fn get(&self, id: &str) -> Result<Arc<Job>> {
        let jobs = self.0.lock().expect("no panic while held");
        jobs.iter()
            .find(|job| job.id == id)
            .cloned()
            .ok_or_else(|| Error::new(ErrorCode::NotFound, "This job is over."))
    }

    /// The stages of a job, from the present one.
    pub(crate) fn watch(&self, id: &str) -> Result<EventStream> {
        let stage = self.get(id)?.stage.subscribe();
        let urgent = JobStage::is_over;
        Ok(streams::states(stage, REPORT_GAP, urgent, |stage| Event::Job(Box::new(stage))))
    }

    /// Gives a job up, unless it is over.
    pub(crate) fn cancel(&self, id: &str) -> Result<()> {
        let job = self.get(id)?;
        if let Some(task) = job.task.lock().expect("no panic while held").take() {
            task.abort();
        }
        job.tell(JobStage::Failed { error: Error::new(ErrorCode::Cancelled, "It was given up.") });
        Ok(())
    }
}

impl Inner {
    /// Starts a job, which tells its stages and ends with the last one. Returns its id.
    pub(super) fn start_job<F>(
        self: &Arc<Self>,
        first: JobStage,
        work: impl FnOnce(Arc<Self>, Arc<Job>) -> F,
    ) -> Result<String>
    where
        F: Future<Output = Result<JobStage>> + Send + 'static,
    {
        let job = self.jobs.add(first)?;
        let work = work(self.clone(), job.clone());
        let told = job.clone();
        let task = self.spawn(async move {
            let last = work.await.unwrap_or_else(|error| JobStage::Failed { error });
            told.tell(last);
        });
        *job.task.lock().expect("no panic while held") = Some(task);
        Ok(job.id.clone())
    }
}
