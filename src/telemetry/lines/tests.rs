use std::sync::{Arc, Mutex};

use super::*;

const PATIENCE: Duration = Duration::from_secs(10);

/// Takes so many bytes, and none after that until there is room again.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<(Vec<u8>, usize)>>);

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut disk = self.0.lock().unwrap();
        let length = bytes.len().min(disk.1);
        if length == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        disk.0.extend_from_slice(&bytes[..length]);
        disk.1 -= length;
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Disk {
    fn has_room(&self, bytes: usize) {
        self.0.lock().unwrap().1 = bytes;
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().0.clone()).unwrap()
    }
}

struct Stuck;

impl Write for Stuck {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        loop {
            std::thread::park();
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn counter() -> IntCounter {
    IntCounter::new("lost", "lost").unwrap()
}

#[test]
fn a_logger_s_line_waits_for_no_other_and_an_access_log_s_does() {
    // Without the thread, which would take them.
    let shared = Arc::new(Shared { waiting: Mutex::default(), work: Condvar::new(), written: Condvar::new(), lost: None });
    let mut queue = LineQueue(Arc::new(Handle(shared.clone())));
    queue.push(b"access\n", Rank::Ordinary);
    assert!(!shared.lock().is_urgent);
    queue.write_all(b"message\n").unwrap();
    assert!(shared.lock().is_urgent && shared.lock().lines == 2);
}

#[test]
fn a_stuck_reader_holds_up_nobody_and_what_is_lost_is_counted() {
    let lost = counter();
    let queue = LineQueue::to(Stuck, "stuck", Some(lost.clone())).unwrap();
    let pushed = (0..QUEUE * 4).filter(|_| queue.push(b"line\n", Rank::Kept)).count();
    // The writer has taken a batch or none, and waits for its end.
    assert!((QUEUE..=QUEUE * 2).contains(&pushed), "{pushed}");
    assert_eq!(lost.get() as usize, QUEUE * 4 - pushed);
    // Comes back, though nothing is ever written.
    queue.flush(Duration::from_millis(10));
}

#[test]
fn what_is_ordinary_leaves_room_for_what_is_not() {
    let queue = LineQueue::to(Stuck, "stuck", None).unwrap();
    while queue.push(b"line\n", Rank::Ordinary) {}
    std::thread::sleep(3 * GATHERING);
    while queue.push(b"line\n", Rank::Ordinary) {}
    let kept = (0..QUEUE).take_while(|_| queue.push(b"line\n", Rank::Kept)).count();
    assert_eq!(kept, KEPT_FREE);
}

#[test]
fn lines_are_written_whole_and_in_order_and_together() {
    let disk = Disk::default();
    disk.has_room(usize::MAX);
    let queue = LineQueue::to(disk.clone(), "lines", None).unwrap();
    for number in 0..1000 {
        assert!(queue.push(format!("{number}\n").as_bytes(), Rank::Ordinary));
    }
    queue.flush(PATIENCE);
    assert_eq!(disk.text(), (0..1000).map(|number| format!("{number}\n")).collect::<String>());
}

#[test]
fn a_line_is_written_without_being_asked_for() {
    let disk = Disk::default();
    disk.has_room(100);
    let queue = LineQueue::to(disk.clone(), "lines", None).unwrap();
    queue.push(b"a\n", Rank::Ordinary);
    (0..1000).take_while(|_| disk.text().is_empty()).for_each(|_| std::thread::sleep(GATHERING));
    assert_eq!(disk.text(), "a\n");
}

#[test]
fn a_full_disk_loses_what_it_has_no_room_for_and_the_rest_begins_a_new_line() {
    let (disk, lost) = (Disk::default(), counter());
    let queue = LineQueue::to(disk.clone(), "lines", Some(lost.clone())).unwrap();
    disk.has_room(7);
    for line in ["one\n", "two\n", "six\n"] {
        queue.push(line.as_bytes(), Rank::Ordinary);
    }
    queue.flush(PATIENCE);
    assert_eq!((disk.text().as_str(), lost.get()), ("one\ntwo", 2));
    queue.push(b"ten\n", Rank::Ordinary);
    queue.flush(PATIENCE);
    assert_eq!((disk.text().as_str(), lost.get()), ("one\ntwo", 3));
    disk.has_room(100);
    queue.push(b"end\n", Rank::Ordinary);
    queue.flush(PATIENCE);
    assert_eq!((disk.text().as_str(), lost.get()), ("one\ntwo\nend\n", 3));
}

#[test]
fn what_was_handed_in_last_is_written_when_nobody_has_the_queue_any_more() {
    let disk = Disk::default();
    disk.has_room(100);
    LineQueue::to(disk.clone(), "lines", None).unwrap().push(b"last\n", Rank::Ordinary);
    (0..1000).take_while(|_| Arc::strong_count(&disk.0) > 1).for_each(|_| std::thread::sleep(GATHERING));
    assert_eq!((disk.text().as_str(), Arc::strong_count(&disk.0)), ("last\n", 1));
}
