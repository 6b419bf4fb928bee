//! The documents that are made from the code say what the code does: [`sensor::reference`].
//!
//! `cargo xtask docs` runs this with `UPDATE_EXPECT=1`, which writes them.

use sensor::reference::{COMMAND, DOCUMENTS};
use std::path::Path;

#[test]
fn the_documents_say_what_the_code_does() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut wrong = Vec::new();
    for document in DOCUMENTS {
        let path = root.join(document.path);
        let present = std::fs::read_to_string(&path).unwrap_or_default();
        let wanted = match document.within(&present) {
            Ok(wanted) => wanted,
            Err(missing) => {
                wrong.push(missing);
                continue;
            }
        };
        if present == wanted {
            continue;
        }
        if update {
            std::fs::create_dir_all(path.parent().expect("a directory")).expect("it can be made");
            std::fs::write(&path, &wanted).expect("it can be written");
            println!("{} is written anew", document.path);
        } else {
            wrong.push(differs(document.path, &present, &wanted));
        }
    }
    assert!(wrong.is_empty(), "`{COMMAND}` mends what only has to be made anew:\n{}", wrong.join("\n"));
}

/// The first line that is not as it should be.
fn differs(path: &str, present: &str, wanted: &str) -> String {
    let same = present.lines().zip(wanted.lines()).take_while(|(one, other)| one == other).count();
    let line = |text: &str| text.lines().nth(same).unwrap_or("(the end)").to_owned();
    format!("{path}:{}: has\n  {}\nand should have\n  {}", same + 1, line(present), line(wanted))
}
