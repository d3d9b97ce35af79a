//! The functions in other languages, each on its AWS SDK, where this machine has the language.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::engine::Engine;
use crate::runtime_api::Program;
use crate::subject::Kind;

/// A function in another language: its interpreter, and the folder where `make bench` has put it beside its SDK.
pub(crate) struct Sdk {
    pub(crate) kind: Kind,
    /// Such as `Node.js v20.20.2`.
    pub(crate) version: String,
    pub(crate) folder: PathBuf,
    interpreter: String,
    file: &'static str,
}

/// What is needed, and how an interpreter that fits says where it is, in one line, and what version it has, in the next.
const NODE: [&str; 4] = [
    "Node.js 20.15 or newer",
    "node",
    "-p",
    "require('zlib').crc32 ? process.execPath + '\\nNode.js ' + process.version : ''",
];
const PYTHON: [&str; 4] = [
    "Python 3.10 or newer",
    "python3",
    "-c",
    "import sys; sys.version_info < (3, 10) or print(f'{sys.executable}\\nPython {sys.version.split()[0]}')",
];

impl Sdk {
    /// Those that can be measured, and what is missing.
    pub(crate) fn find(target: &Path) -> (Vec<Self>, Vec<String>) {
        let node = Self::at(Kind::Node, NODE, "function.mjs", target.join("bench-node"));
        let python = Self::at(Kind::Python, PYTHON, "function.py", target.join("bench-python"));
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for sdk in [node, python] {
            match sdk {
                Ok(sdk) => found.push(sdk),
                Err(why) => missing.push(why),
            }
        }
        (found, missing)
    }

    fn at(kind: Kind, ask: [&str; 4], file: &'static str, folder: PathBuf) -> Result<Self, String> {
        let [needed, program, arguments @ ..] = ask;
        let missing = || format!("{needed} is not on this machine");
        let said = Command::new(program).args(arguments).output().map_err(|_| missing())?;
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        let (interpreter, version) = said.trim().split_once('\n').ok_or_else(missing)?;
        if !folder.join(file).exists() {
            return Err(format!("the function for {needed} could not be installed"));
        }
        Ok(Self { kind, version: version.to_owned(), folder, interpreter: interpreter.to_owned(), file })
    }

    pub(crate) fn program(&self, engine: &Engine) -> Program {
        let script = self.folder.join(self.file).display().to_string();
        let mut environment = engine.environment("");
        // The SDK for JavaScript warns at each start of a Node.js that it will soon not support.
        environment.insert("AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED".to_owned(), "true".to_owned());
        Program { binary: self.interpreter.clone(), arguments: vec![script], environment }
    }
}
