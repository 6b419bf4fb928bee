//! Tools of developers: they run shells by the hundred, and none of them is a server.

use super::{Work, shell};
use crate::stories::real::Hall;
use crate::stories::real::deeds::prove;
use crate::stories::real::start::write;
use anyhow::Result;

/// All of this file.
pub const WORK: &[Work] = &[
    Work { name: "npm", does: "npm scripts that call each other, 30 in all", run: npm },
    Work { name: "node-shells", does: "a tool under Node.js that runs 200 shells", run: node_shells },
    Work { name: "python-shells", does: "a tool under Python that runs 200 shells", run: python_shells },
    Work { name: "make", does: "make with 100 recipes in 2 jobs, and a C program compiled", run: make },
    Work { name: "pip", does: "pip installs a package of this machine; a virtual environment", run: pip },
    Work { name: "git", does: "20 commits with hooks, branches, a merge, a bundle", run: git },
    Work {
        name: "loops",
        does: "shell loops with find, grep, awk, sed, curl, nc and base64: 300 programs",
        run: loops,
    },
];

fn npm(hall: &mut Hall) -> Result<()> {
    let own = hall.workplace("npm")?;
    let step = "for i in 1 2 3 4 5 6 7 8 9; do sh -c 'true'; done; echo built";
    let package = serde_json::json!({"name": "story", "version": "1.0.0", "scripts": {
        "prebuild": "echo clean", "build": step, "postbuild": "echo done", "test": "npm run build && npm run build"
    }});
    write(&own, "package.json", &package.to_string())?;
    prove(&shell(&own, "HOME=$PWD npm_config_update_notifier=false npm test", &[])?, "built")
}

fn node_shells(hall: &mut Hall) -> Result<()> {
    let own = hall.workplace("node")?;
    let code = "const { execSync } = require('child_process');\n\
                let said = '';\nfor (let i = 0; i < 200; i++) said = execSync('id; echo ' + i).toString();\n\
                console.log(said);\n";
    write(&own, "tool.js", code)?;
    prove(&shell(&own, "node tool.js", &[])?, "199")
}

fn python_shells(hall: &mut Hall) -> Result<()> {
    let own = hall.workplace("python")?;
    let code = "import subprocess\nfor i in range(200):\n    said = subprocess.run(f'id; echo {i}', shell=True, \
                capture_output=True, text=True).stdout\nprint(said)\n";
    write(&own, "tool.py", code)?;
    prove(&shell(&own, "/usr/bin/python3 tool.py", &[])?, "199")
}

fn make(hall: &mut Hall) -> Result<()> {
    let own = hall.workplace("make")?;
    let text = "NAMES := $(shell seq 1 100)\nall: $(NAMES:%=out/%) program\nout/%:\n\t@mkdir -p out; echo $* > $@\n\
                program: program.c\n\tcc -O1 -o $@ $<\n";
    write(&own, "Makefile", text)?;
    write(&own, "program.c", "#include <stdio.h>\nint main(void) { return puts(\"built\") < 0; }\n")?;
    prove(&shell(&own, "make -s -j2 && ./program", &[])?, "built")
}

fn pip(hall: &mut Hall) -> Result<()> {
    let own = hall.workplace("pip")?;
    write(
        &own,
        "library/setup.py",
        "from setuptools import setup\nsetup(name='story', version='1', py_modules=['story'])\n",
    )?;
    write(&own, "library/story.py", "TEXT = 'installed'\n")?;
    let script = "export HOME=$PWD PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore\n\
                  /usr/bin/python3 -m pip install --quiet --no-index --no-build-isolation --target out ./library\n\
                  /usr/bin/python3 -m venv --without-pip env\nPYTHONPATH=out env/bin/python -c 'import story; print(story.TEXT)'";
    prove(&shell(&own, script, &[])?, "installed")
}

fn git(hall: &mut Hall) -> Result<()> {
    let own = hall.workplace("git")?;
    let script = "export HOME=$PWD GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@localhost GIT_COMMITTER_NAME=a \
                  GIT_COMMITTER_EMAIL=a@localhost\ngit init -q -b main work; cd work\n\
                  printf '#!/bin/sh\\ngrep -r TODO . > /dev/null || true\\n' > .git/hooks/pre-commit; chmod 755 .git/hooks/pre-commit\n\
                  for i in $(seq 1 10); do echo $i > a; git add a; git commit -qm $i; done\n\
                  git checkout -qb side; for i in $(seq 1 10); do echo $i > b; git add b; git commit -qm $i; done\n\
                  git checkout -q main; echo c > c; git add c; git commit -qm c; git merge -q side -m merged\n\
                  git bundle create -q ../all.bundle --all; git gc -q; git log --oneline | wc -l";
    prove(&shell(&own, script, &[])?, "22")
}

fn loops(hall: &mut Hall) -> Result<()> {
    let own = hall.workplace("loops")?;
    let script = "for i in $(seq 1 60); do\n  echo line $i | sed 's/line/row/' | awk '{print $2}' | base64 > $i.txt\ndone\n\
                  find . -name '*.txt' -exec grep -l . {} + | wc -l; curl --version | head -1; uname -a; whoami";
    prove(&shell(&own, script, &[])?, "60")
}
