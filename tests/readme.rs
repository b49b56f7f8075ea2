//! What README.md says, done.
#![cfg(unix)]

use inferproof::onnx::Registry;
use std::path::Path;
use std::process::Command;

fn readme() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

/// The commands of its section on the command line, in one shell, in a folder that has the fixtures.
#[test]
fn the_commands_run_one_after_the_other() {
    let text = readme();
    let section = text.split("\n## ").find(|section| section.starts_with("On the command line")).unwrap();
    let blocks = section.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let script: String = blocks.collect::<Vec<_>>().concat();
    let script: String = script.lines().filter(|line| !line.starts_with("cargo ")).map(|l| format!("{l}\n")).collect();
    assert!(script.matches("inferproof ").count() > 25, "{script}");

    let folder = tempfile::tempdir().unwrap();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    std::os::unix::fs::symlink(fixtures, folder.path().join("fixtures")).unwrap();
    let programs = Path::new(env!("CARGO_BIN_EXE_inferproof")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let shell = Command::new("sh").args(["-e", "-x", "-c", &script]).current_dir(&folder).env("PATH", path).output();
    let output = shell.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn as_many_operators_as_it_says() {
    let count = Registry::standard().operators().count();
    assert!(readme().contains(&format!("{count} ONNX operators")), "there are {count}");
}
