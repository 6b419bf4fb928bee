//! Lanes, spools and the threads around them, with a sink that fails on demand. Real receivers are tested with the sinks.

use super::deliver;
use super::keeper::Keeper;
use super::lane::Lane;
use super::message::{Message, Meta, Sink, Trouble, Undelivered};
use super::spool::Spool;
use crate::detect::Severity;
use crate::metrics::{Format, Metrics};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

/// What a receiver got, and how it behaves.
#[derive(Default)]
struct Receiver {
    got: Mutex<Vec<String>>,
    down: AtomicBool,
    stalls: AtomicBool,
    closed: AtomicBool,
    /// Refuses what contains this.
    refuses: Mutex<Option<&'static str>>,
}

impl Receiver {
    fn set(flag: &AtomicBool, on: bool) {
        flag.store(on, Ordering::Release);
    }

    fn got(&self) -> Vec<String> {
        self.got.lock().unwrap().clone()
    }

    fn wait_for(&self, count: usize) -> Vec<String> {
        let begin = Instant::now();
        while self.got().len() < count && begin.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.got()
    }
}

struct ToReceiver(Arc<Receiver>);

impl Sink for ToReceiver {
    fn deliver(&mut self, batch: &[Message]) -> Result<(), Undelivered> {
        while self.0.stalls.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_millis(5));
        }
        for (delivered, message) in batch.iter().enumerate() {
            let text = message.text.trim_end();
            let fails = |kind| Err(Undelivered { delivered, error: anyhow::anyhow!("on demand"), kind });
            if self.0.closed.load(Ordering::Acquire) {
                return fails(Trouble::Closed);
            }
            if self.0.down.load(Ordering::Acquire) {
                return fails(Trouble::Retry);
            }
            if self.0.refuses.lock().unwrap().is_some_and(|refused| text.contains(refused)) {
                return fails(Trouble::Refused);
            }
            self.0.got.lock().unwrap().push(text.to_owned());
        }
        Ok(())
    }
}

fn alert(number: usize) -> Message {
    let meta =
        Meta { id: format!("id-{number}").into(), severity: Severity::High, time_unix_ns: 7, detector: "x".into() };
    Message { text: format!("{number}\n").into(), alert: Some(meta) }
}

fn event(number: usize) -> Message {
    Message { text: format!("event {number}\n").into(), alert: None }
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

struct Bench {
    lane: Arc<Lane>,
    receiver: Arc<Receiver>,
    metrics: Arc<Metrics>,
    keeper: Keeper,
}

impl Bench {
    fn new(spool: Option<&Path>) -> Self {
        Self::with(spool, Arc::default(), 1 << 20)
    }

    fn with(spool: Option<&Path>, receiver: Arc<Receiver>, max_bytes: u64) -> Self {
        let metrics = Arc::new(Metrics::new());
        let spool = spool.map(|directory| Spool::new("file", directory, max_bytes, &metrics));
        let lane = Arc::new(Lane::new("file", spool, &metrics));
        deliver::start(&lane, Box::new(ToReceiver(Arc::clone(&receiver)))).unwrap();
        let keeper = Keeper::start().unwrap();
        keeper.look_after(vec![Arc::clone(&lane)]);
        Self { lane, receiver, metrics, keeper }
    }

    fn push(&self, message: Message) {
        if self.lane.push(message) {
            self.keeper.poke();
        }
    }

    fn finish(&self, drain: Duration) {
        let deadline = Instant::now() + drain;
        self.lane.stop(deadline);
        self.lane.finish(deadline);
    }

    fn metric(&self, name: &str) -> u64 {
        let text = self.metrics.encode(Format::Classic);
        let start = format!("sensor_output_{name}");
        let found = text.lines().filter(|line| line.starts_with(&start) && !line.starts_with('#'));
        found.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum()
    }

    fn wait_for_metric(&self, name: &str, value: u64) {
        let begin = Instant::now();
        while self.metric(name) != value {
            assert!(begin.elapsed() < PATIENCE, "{name} is not {value}:\n{}", self.metrics.encode(Format::Classic));
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn everything_is_delivered_in_order_before_the_end() {
    let bench = Bench::new(None);
    (0..2000).for_each(|number| bench.push(if number % 2 == 0 { alert(number) } else { event(number) }));
    bench.finish(PATIENCE);
    let wanted = (0..2000).map(|number| if number % 2 == 0 { number.to_string() } else { format!("event {number}") });
    assert_eq!(bench.receiver.got(), wanted.collect::<Vec<_>>());
    assert_eq!(bench.metric("delivered_total"), 2000);
    assert_eq!(bench.metric("queue_length"), 0);
}

#[test]
fn a_closed_pipe_is_counted_and_nothing_else() {
    let bench = Bench::new(None);
    Receiver::set(&bench.receiver.closed, true);
    (0..10).for_each(|number| bench.push(event(number)));
    bench.finish(PATIENCE);
    assert_eq!(bench.metric("dropped_total{output=\"file\",reason=\"closed\"}"), 10);
    assert_eq!(bench.metric("dropped_total"), 10);
}

#[test]
fn alerts_of_an_output_that_is_down_wait_on_disk_and_come_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let bench = Bench::new(Some(directory.path()));
    bench.push(alert(0));
    bench.receiver.wait_for(1);
    assert!(!directory.path().join("file.db").exists(), "an output that works needs no spool");
    Receiver::set(&bench.receiver.down, true);
    (1..500).for_each(|number| bench.push(alert(number)));
    bench.wait_for_metric("spooled_alerts", 499);
    assert_eq!(bench.metric("up"), 0);
    assert!(bench.metric("spool_bytes") > 499 * 160);
    Receiver::set(&bench.receiver.down, false);
    (500..600).for_each(|number| bench.push(alert(number)));
    assert_eq!(bench.receiver.wait_for(600), numbers(0..600));
    bench.wait_for_metric("spooled_alerts", 0);
    bench.wait_for_metric("up", 1);
    assert!(!directory.path().join("file.db").exists(), "an empty spool is no file");
    assert_eq!((bench.metric("dropped_total"), bench.metric("delivered_total")), (0, 600));
}

#[test]
fn a_stalled_delivery_is_on_disk_too_and_the_end_does_not_wait_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let bench = Bench::new(Some(directory.path()));
    Receiver::set(&bench.receiver.stalls, true);
    (0..20).for_each(|number| bench.push(alert(number)));
    bench.wait_for_metric("spooled_alerts", 20);
    (20..30).for_each(|number| bench.push(alert(number)));
    let begin = Instant::now();
    bench.finish(Duration::from_millis(300));
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    assert_eq!(bench.metric("spooled_alerts"), 30);
    assert_eq!(bench.metric("dropped_total"), 0);
}

#[test]
fn a_stall_that_passes_delivers_nothing_twice() {
    let directory = tempfile::tempdir().unwrap();
    let bench = Bench::new(Some(directory.path()));
    Receiver::set(&bench.receiver.stalls, true);
    (0..20).for_each(|number| bench.push(alert(number)));
    bench.wait_for_metric("spooled_alerts", 20);
    Receiver::set(&bench.receiver.stalls, false);
    (20..40).for_each(|number| bench.push(alert(number)));
    assert_eq!(bench.receiver.wait_for(40), numbers(0..40));
    bench.finish(PATIENCE);
    assert_eq!(bench.receiver.got(), numbers(0..40));
}

#[test]
fn what_was_left_is_delivered_by_the_next_sensor() {
    let directory = tempfile::tempdir().unwrap();
    let first = Bench::new(Some(directory.path()));
    Receiver::set(&first.receiver.down, true);
    (0..50).for_each(|number| first.push(alert(number)));
    first.finish(Duration::from_secs(2));
    let (stuck, spooled) = (Arc::clone(&first.receiver), first.metric("spooled_alerts"));
    assert_eq!((spooled, first.metric("dropped_total")), (50, 0));
    drop(first);
    assert!(stuck.got().is_empty());
    let begin = Instant::now();
    let second = loop {
        // The first one's thread lets go of the file when it ends.
        let second = Bench::new(Some(directory.path()));
        (50..60).for_each(|number| second.push(alert(number)));
        if second.receiver.wait_for(60) == numbers(0..60) {
            break second;
        }
        assert!(begin.elapsed() < PATIENCE, "{:?}", second.receiver.got());
    };
    second.finish(PATIENCE);
    assert!(!directory.path().join("file.db").exists());
}

#[test]
fn what_is_refused_is_dropped_and_the_rest_goes_on() {
    let bench = Bench::new(None);
    *bench.receiver.refuses.lock().unwrap() = Some("3");
    (0..10).for_each(|number| bench.push(alert(number)));
    bench.finish(PATIENCE);
    assert_eq!(bench.receiver.got(), ["0", "1", "2", "4", "5", "6", "7", "8", "9"]);
    assert_eq!(bench.metric("dropped_total{output=\"file\",reason=\"refused\"}"), 1);
}

#[test]
fn a_full_spool_drops_the_oldest() {
    let directory = tempfile::tempdir().unwrap();
    // Room for ten.
    let bench = Bench::with(Some(directory.path()), Arc::default(), 10 * 163);
    Receiver::set(&bench.receiver.down, true);
    (100..130).for_each(|number| bench.push(Message { text: format!("{number}").into(), ..alert(number) }));
    bench.wait_for_metric("dropped_total{output=\"file\",reason=\"spool_full\"}", 20);
    Receiver::set(&bench.receiver.down, false);
    assert_eq!(bench.receiver.wait_for(10), numbers(120..130));
}

#[test]
fn a_spool_that_cannot_be_written_leaves_alerts_in_memory_and_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let no_directory = directory.path().join("a-file");
    std::fs::write(&no_directory, "").unwrap();
    let bench = Bench::new(Some(&no_directory));
    Receiver::set(&bench.receiver.down, true);
    (0..10).for_each(|number| bench.push(alert(number)));
    let begin = Instant::now();
    while bench.metric("spool_failures_total") == 0 {
        assert!(begin.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(5));
    }
    Receiver::set(&bench.receiver.down, false);
    assert_eq!(bench.receiver.wait_for(10), numbers(0..10));
    assert_eq!(bench.metric("dropped_total"), 0);
}

#[test]
fn a_damaged_spool_is_moved_aside_and_told() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("file.db"), "no database at all, but long enough to be looked at").unwrap();
    let bench = Bench::new(Some(directory.path()));
    (0..5).for_each(|number| bench.push(alert(number)));
    assert_eq!(bench.receiver.wait_for(5), numbers(0..5));
    assert!(directory.path().join("file.db.damaged-1").exists());
    assert_eq!(bench.metric("spool_failures_total"), 1);
}

#[test]
fn a_sink_is_replaced_without_losing_what_waits() {
    let bench = Bench::new(None);
    Receiver::set(&bench.receiver.down, true);
    (0..10).for_each(|number| bench.push(alert(number)));
    bench.wait_for_metric("up", 0);
    let better = Arc::<Receiver>::default();
    bench.lane.replace(Box::new(ToReceiver(Arc::clone(&better))));
    assert_eq!(better.wait_for(10), numbers(0..10));
}

#[test]
fn events_leave_room_for_alerts() {
    let bench = Bench::new(None);
    Receiver::set(&bench.receiver.down, true);
    (0..65_536).for_each(|number| bench.push(event(number)));
    bench.push(alert(0));
    assert_eq!(bench.metric("dropped_total{output=\"file\",reason=\"queue_full\"}"), 65_536 / 4);
    assert_eq!(bench.metric("queue_length"), 65_536 / 4 * 3 + 1);
}
