use super::*;
use crate::context::testing::{FakeRoot, PID, question};
use rustix::event::{PollFd, PollFlags, poll};

/// Which file it is about, and whether that was there.
fn told(answer: Answer) -> (u64, bool) {
    match answer {
        Answer::File { tag, provenance } => (tag, provenance.exists),
        Answer::Container(_) => panic!("about a file"),
    }
}

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
        inspector.ask(Asked::File(question)).unwrap();
    }
    let mut answers = Vec::new();
    while answers.len() < 1000 {
        assert!(wait(&inspector), "{} of 1000", answers.len());
        answers.extend(inspector.answers().map(told));
    }
    assert!(answers.iter().zip(0..).all(|((told, _), tag)| *told == tag));
    assert!(answers.iter().all(|(tag, exists)| *exists == (tag % 2 == 0)));
    assert_eq!(inspector.dropped(), 0);
    assert_eq!(inspector.answers().count(), 0);
}

#[test]
fn too_many_questions_are_refused_and_counted() {
    let root = FakeRoot::new();
    let inspector = Inspector::with_procfs(&root.proc_root()).unwrap();
    // Nobody takes the answers: then both queues fill, and one question is in work.
    let asked = 3 * MAX_WAITING;
    let refused =
        (0..asked).filter(|_| inspector.ask(Asked::File(question(PID, "/f", &root.real("/f")))).is_err()).count();
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
        Box::new(move |asked, _| {
            let Asked::File(question) = asked else { panic!("about a file") };
            if question.path == "/hangs" {
                let _ = lock(&held).recv();
            }
            Answer::File { tag: question.tag, provenance: Provenance { exists: true, ..Provenance::absent() } }
        })
    };
    let inspector = Inspector::with(Box::new(look), Duration::from_millis(50)).unwrap();
    for (tag, path) in ["/a", "/hangs", "/b"].into_iter().enumerate() {
        inspector.ask(Asked::File(Question { tag: tag as u64, ..question(1, path, Path::new("/nothing")) })).unwrap();
    }
    let begin = Instant::now();
    let mut answers = Vec::new();
    while answers.len() < 3 {
        assert!(begin.elapsed() < Duration::from_secs(10), "{answers:?}");
        std::thread::sleep(Duration::from_millis(5));
        answers.extend(inspector.answers().map(told));
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
