//! The structure of the code: who may import whom, and that code and specification name the same constraints.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = vec![];
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files
}

/// Non-test lines of a module: its file or folder.
fn module(name: &str) -> String {
    let folder = root().join("src").join(name);
    let mut files = if folder.is_dir() { sources(&folder) } else { vec![] };
    let file = folder.with_extension("rs");
    if file.exists() {
        files.push(file);
    }
    assert!(!files.is_empty(), "module {name} exists");
    let kept = files.iter().filter(|f| !f.to_string_lossy().contains("test"));
    kept.map(|f| std::fs::read_to_string(f).unwrap()).collect()
}

#[test]
fn imports_go_one_way() {
    let forbidden: [(&str, &[&str]); 10] = [
        (
            "verify",
            &[
                "graph",
                "onnx",
                "quantise",
                "model",
                "prove",
                "circuits::layers",
                "circuits::witness",
                "circuits::program",
                "circuits::plan",
                "circuits::network",
            ],
        ),
        ("transcript", &["keys", "prove", "verify", "srs", "model", "graph"]),
        ("artefact", &["keys", "prove", "verify", "srs", "model", "graph", "onnx", "quantise"]),
        ("srs", &["keys", "prove", "verify", "model", "graph", "onnx", "quantise"]),
        ("graph", &["onnx", "quantise", "keys", "prove", "verify", "model"]),
        ("onnx", &["quantise", "keys", "prove", "verify", "model"]),
        ("quantise", &["keys", "prove", "verify", "onnx"]),
        ("engine", &["transcript", "keys", "prove", "verify", "model", "srs", "graph", "onnx", "quantise"]),
        ("ranges", &["prove", "onnx", "quantise", "graph"]),
        ("keys", &["prove", "verify", "onnx", "quantise", "graph"]),
    ];
    for (name, others) in forbidden {
        let text = module(name);
        for other in others {
            let path = match other.strip_prefix("circuits::") {
                Some(inner) => format!("inferproof_circuits::{inner}"),
                None => format!("crate::{other}"),
            };
            let used = text.lines().any(|line| {
                let code = line.trim_start();
                !code.starts_with("//") && (code.contains(&format!("{path}::")) || code.contains(&format!("{path};")))
            });
            assert!(!used, "`{name}` must not import `{path}`");
        }
    }
}

#[test]
fn the_circuits_know_no_files() {
    for path in sources(&root().join("circuits/src")) {
        let text = std::fs::read_to_string(&path).unwrap();
        for word in ["std::fs", "std::io", "onnx::", "std::env"] {
            assert!(!text.contains(word), "{} uses {word}", path.display());
        }
    }
}

/// Every `[id]` above a constraint is in the specification, and the other way round.
#[test]
fn constraints_and_specification_agree() {
    let ids = |text: &str| -> BTreeSet<String> {
        text.lines().filter_map(|line| line.trim().strip_prefix("// [")?.strip_suffix(']').map(String::from)).collect()
    };
    let gates = std::fs::read_to_string(root().join("circuits/src/machine/gates.rs")).unwrap();
    let in_code = ids(&gates);
    let quoted: BTreeSet<String> = in_code.iter().filter(|id| gates.contains(&format!("\"{id}\""))).cloned().collect();
    assert_eq!(quoted, in_code, "each comment stands above its constraint");
    let spec = std::fs::read_to_string(root().join("docs/spec/machine.md")).unwrap();
    let named = |line: &str| -> Vec<String> {
        let ids = line.strip_prefix("| `[").map_or("", |rest| rest.split(" | ").next().unwrap_or(""));
        ids.split("`[").filter_map(|id| Some(id.split_once("]`")?.0.to_string())).collect()
    };
    // The section on the other shape names the constraints again, one of them its own.
    let (single, paired) = spec.split_once("## Two activations a row").unwrap();
    let (paired, rest) = paired.split_once("\n## ").unwrap();
    let in_sections = |sections: [&str; 2]| -> BTreeSet<String> {
        sections.iter().flat_map(|section| section.lines()).flat_map(named).collect()
    };
    let [single, paired] = [in_sections([single, rest]), in_sections([paired, ""])];
    assert_eq!(in_code, paired);
    let own: Vec<_> = paired.difference(&single).collect();
    assert_eq!(own, ["lookup-part"]);
    assert_eq!(single.len(), 12);
    let in_kernels = |shape: &str| -> BTreeSet<String> {
        let read = |part| std::fs::read_to_string(root().join(format!("cuda/kernels/quotient_{part}.cuh"))).unwrap();
        ["shared", shape].into_iter().flat_map(|part| ids(&read(part))).collect()
    };
    assert_eq!(in_kernels("single"), single, "each kernel folds the constraints of its shape");
    assert_eq!(in_kernels("paired"), paired);
}

/// Unsafe code is in the crate for devices only, which knows nothing of the others.
#[test]
fn the_devices_crate_is_a_leaf() {
    for crate_root in ["src/lib.rs", "circuits/src/lib.rs"] {
        assert!(std::fs::read_to_string(root().join(crate_root)).unwrap().contains("#![forbid(unsafe_code)]"));
    }
    for path in sources(&root().join("src/bin")).into_iter().chain(sources(&root().join("cuda/src"))) {
        let text = std::fs::read_to_string(&path).unwrap();
        let of_devices = path.starts_with(root().join("cuda"));
        assert!(of_devices || !text.contains("unsafe "), "{}", path.display());
        assert!(
            !of_devices || !(text.contains("inferproof::") || text.contains("inferproof_circuits")),
            "{}",
            path.display()
        );
    }
}

/// The README shows the compiled quickstart.
#[test]
fn the_readme_shows_the_quickstart() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let example = std::fs::read_to_string(root().join("examples/quickstart.rs")).unwrap();
    let block = readme.split("```rust,no_run\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let code = example.split_once("\n\n").map(|(_, code)| code).unwrap();
    assert_eq!(block, code);
}
