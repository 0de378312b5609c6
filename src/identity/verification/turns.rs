//! Turns: few checks run at once, and sources take turns.
//!
//! A check is work on the thread that it is on: for a signature 25 to 80 microseconds (measured with aws-lc: RSA of 2,048 bits
//! below 30, Ed25519 60, P-256 76), which is about what handing it to another thread and back takes. What has to be kept small is
//! how many threads do nothing else: with as many turns as half of the machine's cores, the
//! other half is left to requests that are past their check, however many tokens are waiting for theirs. Those wait off the
//! run queue, in a queue for each source; the sources are served in rotation, so that who has one request waits for one of
//! everybody's at most. When all places are taken, the source that has the most gives one up for a source that has fewer.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use prometheus::IntGauge;
use tokio::sync::oneshot;

use super::Source;

/// Hands out turns.
#[derive(Debug)]
pub(super) struct Turns {
    hall: Arc<Hall>,
    patience: Duration,
}

#[derive(Debug)]
struct Hall {
    at_once: usize,
    /// Most who wait.
    places: usize,
    line: Mutex<Line>,
    waiting: IntGauge,
}

#[derive(Debug, Default)]
struct Line {
    running: usize,
    waiting: usize,
    queues: HashMap<Source, VecDeque<oneshot::Sender<Turn>>>,
    /// Sources with a queue, the next to be served first.
    rotation: VecDeque<Source>,
}

/// The right to do one check. The next in line gets it on drop.
#[derive(Debug)]
#[must_use = "dropping a turn ends it"]
pub(in crate::identity) struct Turn(Option<Arc<Hall>>);

impl Turns {
    /// `at_once` checks run, `places` more wait, for `patience` at most; `waiting` shows how many do.
    pub(super) fn new(at_once: usize, places: usize, patience: Duration, waiting: IntGauge) -> Self {
        Self { hall: Arc::new(Hall { at_once, places, line: Mutex::default(), waiting }), patience }
    }

    /// A turn, if nobody has to be waited for.
    pub(super) fn now(&self) -> Option<Turn> {
        let mut line = self.hall.lock();
        (line.running < self.hall.at_once).then(|| {
            line.running += 1;
            Turn(Some(self.hall.clone()))
        })
    }

    /// Waits for a turn. `None` when there is no room to wait in, or when it does not come in time.
    pub(super) async fn queue(&self, source: &Source) -> Option<Turn> {
        let turn = self.hall.stand(source)?;
        tokio::time::timeout(self.patience, turn).await.ok()?.ok()
    }
}

impl Hall {
    /// Puts `source` in line.
    fn stand(self: &Arc<Self>, source: &Source) -> Option<oneshot::Receiver<Turn>> {
        let (sender, receiver) = oneshot::channel();
        let mut line = self.lock();
        if line.running < self.at_once {
            line.running += 1;
            // The receiver is here: it takes it.
            let _ = sender.send(Turn(Some(self.clone())));
            return Some(receiver);
        }
        // Who was turned out, or the newcomer, is told by the drop of its sender, outside of the lock.
        let turned_out = if line.waiting < self.places { None } else { Some(line.turn_out(source)?) };
        line.push(source, sender);
        self.waiting.set(i64::try_from(line.waiting).unwrap_or(i64::MAX));
        drop(line);
        drop(turned_out);
        Some(receiver)
    }

    /// Gives a turn that has ended to the next who still waits for one.
    fn pass_on(self: Arc<Self>) {
        loop {
            let mut line = self.lock();
            let next = line.next();
            if next.is_none() {
                line.running -= 1;
            }
            self.waiting.set(i64::try_from(line.waiting).unwrap_or(i64::MAX));
            drop(line);
            let Some(sender) = next else { return };
            match sender.send(Turn(Some(self.clone()))) {
                Ok(()) => return,
                // Gave up, or its client went away. Not to be dropped, since that would pass it on from here.
                Err(mut turn) => drop(turn.0.take()),
            }
        }
    }

    /// Nothing panics inside.
    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    fn push(&mut self, source: &Source, sender: oneshot::Sender<Turn>) {
        let queue = self.queues.entry(source.clone()).or_default();
        if queue.is_empty() {
            self.rotation.push_back(source.clone());
        }
        queue.push_back(sender);
        self.waiting += 1;
    }

    /// Takes the first of the source whose turn it is out of the line.
    fn next(&mut self) -> Option<oneshot::Sender<Turn>> {
        let source = self.rotation.pop_front()?;
        let queue = self.queues.get_mut(&source)?;
        let first = queue.pop_front()?;
        if queue.is_empty() {
            self.queues.remove(&source);
        } else {
            self.rotation.push_back(source);
        }
        self.waiting -= 1;
        Some(first)
    }

    /// Takes the last of the source that has the most out of the line, if that is more than `newcomer` would have.
    ///
    /// A search, of as many sources as there are places at most, and only where all places are taken.
    fn turn_out(&mut self, newcomer: &Source) -> Option<oneshot::Sender<Turn>> {
        let own = self.queues.get(newcomer).map_or(0, VecDeque::len);
        let longest = self.queues.values_mut().max_by_key(|queue| queue.len())?;
        // It has two at least, and so stays in rotation.
        let last = if longest.len() > own + 1 { longest.pop_back() } else { None };
        self.waiting -= usize::from(last.is_some());
        last
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(hall) = self.0.take() {
            hall.pass_on();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn turns(at_once: usize, places: usize) -> Turns {
        Turns::new(at_once, places, Duration::from_secs(1), IntGauge::new("waiting", "w").unwrap())
    }

    fn source(number: u8) -> Source {
        Source::client([192, 0, 2, number].into())
    }

    fn waiting(turns: &Turns) -> (usize, i64) {
        (turns.hall.lock().waiting, turns.hall.waiting.get())
    }

    #[tokio::test]
    async fn no_more_than_so_many_run_at_once() {
        let turns = turns(2, 10);
        let held = (turns.now().unwrap(), turns.now().unwrap());
        assert!(turns.now().is_none());
        drop(held.0);
        let third = turns.now().unwrap();
        assert!(turns.now().is_none());
        drop((third, held.1));
        assert_eq!(turns.hall.lock().running, 0);
    }

    /// Stands in line `count` times, and notes who was served when.
    fn stand(turns: &Turns, source: &Source, count: usize) -> Vec<oneshot::Receiver<Turn>> {
        (0..count).filter_map(|_| turns.hall.stand(source)).collect()
    }

    #[tokio::test]
    async fn sources_are_served_in_rotation() {
        let turns = turns(1, 100);
        let mut turn = turns.now().unwrap();
        let mut flood = stand(&turns, &source(1), 50);
        let mut one = stand(&turns, &source(2), 2);
        assert_eq!(waiting(&turns), (52, 52));
        let mut order = Vec::new();
        for _ in 0..6 {
            drop(turn);
            let from_flood = flood.iter_mut().find_map(|receiver| receiver.try_recv().ok());
            let from_one = one.iter_mut().find_map(|receiver| receiver.try_recv().ok());
            order.push(if from_flood.is_some() { 1 } else { 2 });
            turn = from_flood.or(from_one).unwrap();
        }
        assert_eq!(order, [1, 2, 1, 2, 1, 1]);
        drop(turn);
    }

    #[tokio::test]
    async fn a_full_line_takes_from_who_has_the_most() {
        let turns = turns(1, 10);
        let _turn = turns.now().unwrap();
        let mut flood = stand(&turns, &source(1), 20);
        assert_eq!(flood.len(), 10, "the line is full of one source");
        let others: Vec<_> = (2..=4).flat_map(|number| stand(&turns, &source(number), 1)).collect();
        assert_eq!(others.len(), 3);
        let is_there = |receiver: &mut oneshot::Receiver<Turn>| receiver.try_recv().err() == Some(oneshot::error::TryRecvError::Empty);
        let left = flood.iter_mut().map(is_there).filter(|there| *there).count();
        assert_eq!((left, waiting(&turns)), (7, (10, 10)));
        // Nobody gives up a place for whoever would then have as many.
        assert_eq!(stand(&turns, &source(2), 10).len(), 3);
        let line = turns.hall.lock();
        let lengths: Vec<_> = [1, 2, 3, 4].map(|number| line.queues[&source(number)].len()).to_vec();
        assert_eq!(lengths, [4, 4, 1, 1]);
    }

    #[tokio::test]
    async fn who_has_one_more_gives_nothing_up() {
        let turns = turns(1, 9);
        let _turn = turns.now().unwrap();
        let _flood = stand(&turns, &source(1), 9);
        let others = stand(&turns, &source(2), 20);
        assert_eq!((others.len(), turns.hall.lock().queues[&source(1)].len()), (4, 5));
    }

    #[tokio::test]
    async fn who_gave_up_is_passed_over() {
        let turns = turns(1, 10);
        let turn = turns.now().unwrap();
        let gone = stand(&turns, &source(1), 3);
        let mut there = stand(&turns, &source(2), 1);
        drop(gone);
        drop(turn);
        let turn = there[0].try_recv().unwrap();
        drop(turn);
        let line = turns.hall.lock();
        assert_eq!((line.running, line.waiting, line.queues.len(), line.rotation.len()), (0, 0, 0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends() {
        let turns = turns(1, 10);
        let turn = turns.now().unwrap();
        assert!(turns.queue(&source(1)).await.is_none());
        drop(turn);
        assert!(turns.queue(&source(1)).await.is_some(), "a turn was lost on who had given up");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn under_load_the_bound_holds_and_no_turn_is_lost() {
        let turns = Arc::new(turns(2, 10_000));
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let tasks: Vec<_> = (0..2_000_u32)
            .map(|number| {
                let (turns, running, most) = (turns.clone(), running.clone(), most.clone());
                tokio::spawn(async move {
                    let source = source((number % 7) as u8);
                    let turn = match turns.now() {
                        Some(turn) => turn,
                        None => turns.queue(&source).await.unwrap(),
                    };
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::hint::black_box((0..2_000).fold(0_u32, |a, b| a.wrapping_mul(31).wrapping_add(b)));
                    running.fetch_sub(1, Ordering::SeqCst);
                    drop(turn);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert!((1..=2).contains(&most.load(Ordering::SeqCst)));
        let line = turns.hall.lock();
        assert_eq!((line.running, line.waiting, turns.hall.waiting.get()), (0, 0, 0));
    }
}
