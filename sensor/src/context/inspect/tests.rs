use super::*;
use crate::context::testing::{FakeRoot, PID, question};
use rustix::event::{PollFd, PollFlags, poll};

fn wait(inspector: &Inspector) -> bool {
    let descriptor = inspector.descriptor();
    let mut polled = [PollFd::new(&descriptor, PollFlags::IN)];
    let most = rustix::time::Timespec { tv_sec: 10, tv_nsec: 0 };
    poll(&mut polled, Some(&most)).unwrap() == 1
}

#[test]
fn answers_come_in_order_and_wake() {
    let root = FakeRoot::new();
    root.put("/f", "x");
    let inspector = Inspector::with_procfs(&root.proc_root()).unwrap();
    for tag in 0..1000 {
        let path = if tag % 2 == 0 { "/f" } else { "/none" };
        let question = Question { tag, ..question(PID, path, &root.real(path)) };
        inspector.ask(question).unwrap();
    }
    let mut answers = Vec::new();
    while answers.len() < 1000 {
        assert!(wait(&inspector), "{} of 1000", answers.len());
        answers.extend(inspector.answers());
    }
    assert!(answers.iter().zip(0..).all(|(answer, tag)| answer.tag == tag));
    assert!(answers.iter().all(|answer| answer.provenance.exists == (answer.tag % 2 == 0)));
    assert_eq!(inspector.dropped(), 0);
    assert_eq!(inspector.answers().count(), 0);
}

#[test]
fn too_many_questions_are_refused_and_counted() {
    let root = FakeRoot::new();
    let inspector = Inspector::with_procfs(&root.proc_root()).unwrap();
    // Nobody takes the answers: then both queues fill, and one question is in work.
    let asked = 3 * MAX_WAITING;
    let refused = (0..asked).filter(|_| inspector.ask(question(PID, "/f", &root.real("/f"))).is_err()).count();
    assert!(refused >= MAX_WAITING - 1, "{refused}");
    assert_eq!(inspector.dropped(), refused as u64);
    let mut answered = 0;
    while answered < asked - refused {
        assert!(wait(&inspector));
        answered += inspector.answers().count();
    }
    assert_eq!(answered, asked - refused);
}

#[test]
fn a_file_system_that_does_not_answer_holds_up_one_question_only() {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = Arc::new(Mutex::new(held));
    let look = move || -> Look {
        let held = Arc::clone(&held);
        Box::new(move |question, _| {
            if question.path == "/hangs" {
                let _ = lock(&held).recv();
            }
            Provenance { exists: true, ..Provenance::absent() }
        })
    };
    let inspector = Inspector::with(Box::new(look), Duration::from_millis(50)).unwrap();
    for (tag, path) in ["/a", "/hangs", "/b"].into_iter().enumerate() {
        inspector.ask(Question { tag: tag as u64, ..question(1, path, Path::new("/nothing")) }).unwrap();
    }
    let begin = Instant::now();
    let mut answers = Vec::new();
    while answers.len() < 3 {
        assert!(begin.elapsed() < Duration::from_secs(10), "{answers:?}");
        std::thread::sleep(Duration::from_millis(5));
        answers.extend(inspector.answers().map(|answer| (answer.tag, answer.provenance.exists)));
    }
    assert_eq!(answers, [(0, true), (1, false), (2, true)]);
    // When it answers after all, nobody is told twice, and the thread ends.
    assert_eq!(lock(&inspector.shared.work).held_up, 1);
    release.send(()).unwrap();
    while lock(&inspector.shared.work).held_up > 0 {
        assert!(begin.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(inspector.answers().count(), 0);
}
