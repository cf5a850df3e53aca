//! Admission of questions: light ones run apart from heavy ones, so that a page of the newest
//! events is answered at once however many heavy questions there are.
//!
//! Every question begins as a light one. If it turns out to be more work than that, it continues as
//! a heavy one when one may begin now, and otherwise waits for its turn. A client that disconnects
//! stops its question and gives up its place in the queue.

use crate::api::App;
use crate::api::limits::AskingPlace;
use crate::engine::{Engine, Settings};
use crate::error::{Error, ErrorKind, Result};
use crate::query::{Limits, QueryBudget};
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many light questions run at a time, each on a blocking thread, and how many may wait.
const LIGHT: (usize, usize) = (64, 1_024);
/// How many heavy questions may wait; one runs per core.
const HEAVY_WAITING: usize = 64;

/// Limits how many questions run and wait.
#[derive(Debug, Clone)]
pub(in crate::api) struct Admission {
    light: Lane,
    heavy: Lane,
    time: Duration,
}

impl Admission {
    pub(in crate::api) fn new(settings: &Settings) -> Self {
        let cores = available_parallelism().map_or(2, usize::from);
        let lane =
            |kind, (running, waiting)| Lane::new(kind, running, waiting, settings.question_wait);
        Self {
            light: lane("", LIGHT),
            heavy: lane("heavy ", (cores, HEAVY_WAITING)),
            time: settings.question_time,
        }
    }
}

/// A queue for one kind of question: a number of them run, and a number more wait.
#[derive(Debug, Clone)]
struct Lane {
    kind: &'static str,
    running: Arc<Semaphore>,
    slots: Arc<Semaphore>,
    wait: Duration,
}

/// A question's turn; it ends when this is dropped.
#[derive(Debug)]
struct QuestionTurn {
    _running: OwnedSemaphorePermit,
    _place: OwnedSemaphorePermit,
}

impl Lane {
    fn new(kind: &'static str, running: usize, waiting: usize, wait: Duration) -> Self {
        Self {
            kind,
            running: Arc::new(Semaphore::new(running)),
            slots: Arc::new(Semaphore::new(running + waiting)),
            wait,
        }
    }

    /// Returns a turn if one is free now.
    fn enter_now(&self) -> Option<QuestionTurn> {
        let slot = Arc::clone(&self.slots).try_acquire_owned().ok()?;
        let running = Arc::clone(&self.running).try_acquire_owned().ok()?;
        Some(QuestionTurn { _running: running, _place: slot })
    }

    /// Waits for a turn.
    async fn enter(&self) -> Result<QuestionTurn> {
        let full = || {
            Error::new(
                ErrorKind::Unavailable,
                format!("too many {}questions are being answered: ask again later", self.kind),
            )
        };
        let slot = Arc::clone(&self.slots).try_acquire_owned().map_err(|_| full())?;
        match tokio::time::timeout(self.wait, Arc::clone(&self.running).acquire_owned()).await {
            Ok(Ok(running)) => Ok(QuestionTurn { _running: running, _place: slot }),
            _ => Err(full()),
        }
    }
}

impl App {
    /// Answers a question that has its place among those of its caller, when it has its turn among
    /// all. A heavy question may be asked a second time.
    pub(in crate::api) async fn ask<T: Send + 'static>(
        &self,
        _place: &AskingPlace,
        question: impl Fn(&Engine, &QueryBudget) -> Result<T> + Send + Sync + 'static,
    ) -> Result<T> {
        let Admission { light, heavy, time } = &self.admission;
        let question = Arc::new(question);
        let turn = light.enter().await?;
        let lane = heavy.clone();
        let budget = QueryBudget::upgrading(Limits::light(*time), move || {
            lane.enter_now().map(|turn| Box::new(turn) as Box<dyn Send>)
        });
        let answer = self.answer(&question, budget.clone(), turn).await;
        if answer.is_ok() || !budget.is_exhausted() {
            return answer;
        }
        let turn = heavy.enter().await?;
        self.answer(&question, QueryBudget::new(Limits::heavy(Some(*time))), turn).await
    }

    /// Answers a question on a blocking thread. Dropping the future stops the question.
    async fn answer<T: Send + 'static, Q>(
        &self,
        question: &Arc<Q>,
        budget: QueryBudget,
        turn: QuestionTurn,
    ) -> Result<T>
    where
        Q: Fn(&Engine, &QueryBudget) -> Result<T> + Send + Sync + 'static,
    {
        let _stop = budget.stop_on_drop();
        let (engine, question) = (Arc::clone(&self.engine), Arc::clone(question));
        let answer = tokio::task::spawn_blocking(move || {
            let answer = question(&engine, &budget);
            drop(turn);
            answer
        });
        answer.await.map_err(|cause| Error::internal("a question failed").because(cause))?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::storage::AccessMode;
    use std::pin::pin;
    use std::sync::Mutex;
    use std::sync::mpsc::channel;

    const LONG: Duration = Duration::from_secs(3_600);

    #[tokio::test]
    async fn so_many_run_so_many_wait_and_others_are_refused_at_once() {
        let lane = Lane::new("heavy ", 1, 1, LONG);
        let first = lane.enter_now().expect("a turn");
        assert!(lane.enter_now().is_none(), "one runs");
        let mut second = pin!(lane.enter());
        assert!(futures::poll!(&mut second).is_pending());
        let error = lane.enter().await.expect_err("one waits");
        assert!(
            error.kind() == ErrorKind::Unavailable && error.to_string().contains("heavy"),
            "{error}"
        );
        drop(first);
        assert!(second.await.is_ok());
    }

    #[tokio::test]
    async fn who_leaves_the_queue_frees_the_place() {
        let lane = Lane::new("", 1, 1, LONG);
        let _first = lane.enter_now().expect("a turn");
        for _ in 0..3 {
            let mut left = Box::pin(lane.enter());
            assert!(futures::poll!(&mut left).is_pending());
        }
    }

    #[tokio::test]
    async fn nobody_waits_for_ever() {
        let lane = Lane::new("", 1, 1, Duration::from_millis(1));
        let _first = lane.enter_now().expect("a turn");
        assert_eq!(
            lane.enter().await.expect_err("it takes too long").kind(),
            ErrorKind::Unavailable
        );
    }

    /// A place to ask, and its runtime.
    fn slot(settings: Settings) -> (tempfile::TempDir, tokio::runtime::Runtime, App) {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let (clock, handle) = (Arc::new(SystemClock), runtime.handle().clone());
        let engine = Engine::open_with(folder.path(), AccessMode::Write, clock, handle, settings)
            .expect("an engine");
        let app = App::new(Arc::new(engine), &crate::api::RouterOptions::default());
        (folder, runtime, app)
    }

    #[test]
    fn a_question_stops_when_its_client_leaves() {
        let (_folder, runtime, app) = slot(Settings::default());
        let (begun, begins) = channel();
        let (ended, ends) = channel();
        let (begun, ended) = (Mutex::new(begun), Mutex::new(ended));
        let question = move |_: &Engine, budget: &QueryBudget| {
            begun.lock().expect("a lock").send(()).expect("somebody listens");
            while !budget.is_stopped() {
                std::thread::sleep(Duration::from_millis(1));
            }
            ended.lock().expect("a lock").send(()).expect("somebody listens");
            Ok(())
        };
        let place = AskingPlace::default();
        runtime.block_on(async {
            let mut asked = Box::pin(app.ask(&place, question));
            assert!(futures::poll!(&mut asked).is_pending());
            begins.recv_timeout(LONG).expect("it begins");
            assert!(app.admission.light.running.available_permits() < LIGHT.0);
        });
        // The future is gone with the block.
        ends.recv_timeout(Duration::from_secs(60)).expect("it ends");
    }

    #[test]
    fn a_heavy_question_waits_for_its_turn_and_light_ones_do_not() {
        let settings = Settings { question_wait: Duration::from_millis(10), ..Settings::default() };
        let (_folder, runtime, app) = slot(settings);
        let heavy =
            |_: &Engine, budget: &QueryBudget| budget.work_for_tests(u64::MAX / 2).map(|()| "done");
        let place = AskingPlace::default();
        runtime.block_on(async {
            assert_eq!(app.ask(&place, heavy).await.expect("there is room"), "done");
            let all: Vec<QuestionTurn> =
                std::iter::from_fn(|| app.admission.heavy.enter_now()).collect();
            assert_eq!(
                app.ask(&place, heavy).await.expect_err("there is none").kind(),
                ErrorKind::Unavailable
            );
            assert_eq!(app.ask(&place, |_, _| Ok(1)).await.expect("a light one needs none"), 1);
            drop(all);
            assert!(app.ask(&place, heavy).await.is_ok());
        });
    }
}
