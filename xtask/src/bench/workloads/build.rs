//! A parallel compile: many short processes that are nobody's server.

use super::workload::{Load, Sample};
use crate::command;
use crate::daemons::host;
use anyhow::Result;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// C files; each is a compiler driver, the compiler proper and an assembler.
const FILES: u32 = 120;

/// Compiles all of them with two jobs, again and again until the time is over.
pub fn load(at: &Path) -> Result<Load> {
    for number in 0..FILES {
        let text = format!(
            "#include <stdio.h>\n#include <string.h>\n\nint part_{number}(const char *text)\n{{\n    \
             char copy[64];\n    snprintf(copy, sizeof copy, \"%s %d\", text, {number});\n    \
             return (int)strlen(copy);\n}}\n"
        );
        host::write(at, &format!("part-{number}.c"), &text)?;
    }
    host::write(at, "Makefile", "all: $(patsubst %.c,%.o,$(wildcard part-*.c))\n")?;
    let at = at.to_owned();
    Ok(Box::new(move |seconds| {
        let (begin, mut compiled) = (Instant::now(), 0);
        while compiled == 0 || begin.elapsed().as_secs_f64() < seconds {
            command::output(Command::new("make").args(["--always-make", "--silent", "--jobs=2", "-C"]).arg(&at))?;
            compiled += FILES;
        }
        let requests = f64::from(compiled);
        Ok(Sample { requests, per_second: requests / begin.elapsed().as_secs_f64(), p99_ms: None })
    }))
}
