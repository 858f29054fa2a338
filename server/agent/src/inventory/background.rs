//! Questions that hardware may take its time over, or never answer: each is asked on a thread of its own, its answer is kept,
//! and whoever wants the answers waits for them no longer than it likes.
//!
//! No question is asked again while it is under way, so a device that hangs costs one thread however often it is asked for.

use std::{
    collections::BTreeMap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// The most questions that are remembered; what comes on top is not asked.
const MOST: usize = 256;
/// A thread that sends one command needs no more.
const STACK: usize = 256 << 10;

/// Questions by name, with their answers.
#[derive(Debug)]
pub struct Background<T> {
    shared: Arc<Shared<T>>,
}

type Shared<T> = (Mutex<BTreeMap<String, Question<T>>>, Condvar);

#[derive(Clone, Debug)]
struct Question<T> {
    asked: Instant,
    is_under_way: bool,
    answer: Option<T>,
}

impl<T> Clone for Background<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T> Default for Background<T> {
    fn default() -> Self {
        Self { shared: Arc::new((Mutex::new(BTreeMap::new()), Condvar::new())) }
    }
}

impl<T: Clone + Send + 'static> Background<T> {
    fn questions(&self) -> MutexGuard<'_, BTreeMap<String, Question<T>>> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks, unless that is under way or was asked within `again`. A question that brings `None` leaves the answer before it.
    pub fn ask(&self, name: &str, again: Duration, question: impl FnOnce() -> Option<T> + Send + 'static) {
        let mut questions = self.questions();
        let known = questions.get(name);
        if known.is_some_and(|it| it.is_under_way || it.asked.elapsed() < again)
            || (known.is_none() && questions.len() >= MOST)
        {
            return;
        }
        let answer = known.and_then(|it| it.answer.clone());
        questions.insert(name.to_owned(), Question { asked: Instant::now(), is_under_way: true, answer });
        drop(questions);
        let (whom, key) = (self.clone(), name.to_owned());
        let asking = move || {
            let answer = question();
            whom.note(&key, answer);
        };
        if thread::Builder::new().stack_size(STACK).spawn(asking).is_err() {
            self.note(name, None);
        }
    }

    fn note(&self, name: &str, answer: Option<T>) {
        if let Some(question) = self.questions().get_mut(name) {
            question.is_under_way = false;
            question.answer = answer.or(question.answer.take());
        }
        self.shared.1.notify_all();
    }

    /// What is answered, once all that was asked is, or after `patience`.
    pub fn answers(&self, patience: Duration) -> BTreeMap<String, T> {
        let waiting = |questions: &mut BTreeMap<String, Question<T>>| {
            questions.values().any(|question| question.is_under_way)
        };
        let waited = self.shared.1.wait_timeout_while(self.questions(), patience, waiting);
        let (questions, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let answered = questions.iter().filter_map(|(name, it)| Some((name.clone(), it.answer.clone()?)));
        answered.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn answers_are_waited_for_and_kept_and_the_one_that_hangs_is_left() {
        let asked = Background::default();
        let (release, hangs) = mpsc::channel::<()>();
        asked.ask("well", LONG, || Some(1));
        assert_eq!(asked.answers(LONG).get("well"), Some(&1));
        asked.ask("well", LONG, || Some(2));
        assert_eq!(asked.answers(LONG).get("well"), Some(&1), "it was asked a moment ago");
        asked.ask("well", Duration::ZERO, || None);
        assert_eq!(asked.answers(LONG).get("well"), Some(&1), "no answer takes none back");
        asked.ask("hangs", LONG, move || hangs.recv().ok().map(|()| 3));
        assert_eq!(asked.answers(Duration::from_millis(1)).get("hangs"), None);
        asked.ask("hangs", Duration::ZERO, || Some(4));
        release.send(()).unwrap();
        assert_eq!(asked.answers(LONG).get("hangs"), Some(&3), "it came late, and nobody asked twice");
    }

    #[test]
    fn a_machine_with_ever_more_devices_is_asked_for_so_many() {
        let asked = Background::default();
        for number in 0..MOST + 50 {
            asked.ask(&number.to_string(), LONG, || Some(()));
        }
        assert_eq!(asked.answers(LONG).len(), MOST);
    }
}
