//! The command line as a user runs it: the whole job, exit codes, JSON, and files that are not what they should be.

mod cli_job;

use cli_job::{Job, fixture};
use serde_json::{Value, json};
use std::process::Command;

impl Job {
    /// Everything up to a proof of the small network.
    fn proved() -> Self {
        let job = Self::new();
        let [onnx, samples, input] = ["digits_mlp.onnx", "digits_mlp_samples.npz", "digits_mlp_input.npy"].map(fixture);
        job.json(
            &[
                "quantise",
                &onnx,
                "--samples",
                &samples,
                "-o",
                "m.ifq",
                "--report",
                "r.json",
                "--bits",
                "7",
                "--shift",
                "8",
            ],
            0,
        );
        job.json(&["srs", "new", "--insecure", "--k", "11", "-o", "dev.srs"], 0);
        job.json(&["setup", "m.ifq", "--srs", "dev.srs", "-o", "keys"], 0);
        job.json(&["run", "m.ifq", "--input", &input, "-o", "y.npy"], 0);
        job.json(&["prove", "--keys", "keys", "--srs", "dev.srs", "--input", &input, "-o", "proof.json"], 0);
        job
    }
}

const VERIFY: [&str; 5] = ["verify", "--key", "keys/verifying.key", "--srs", "dev.srs"];

/// A plan that is not the cheapest, on demand.
#[test]
fn a_plan_by_name() {
    let job = Job::proved();
    let keys = |layout: &str, status| {
        job.json(&["setup", "m.ifq", "--srs", "dev.srs", "-o", "planned", "--replace", "--layout", layout], status)
    };
    let made = keys("16", 0);
    assert_eq!((&made["plans"][0]["lanes"], &made["plans"][0]["limb"]), (&json!(16), &Value::Null));
    assert!(made["plans"][0]["cellsPerActivation"].as_f64().unwrap() <= 7.0);
    assert_eq!(keys("16:4", 0)["plans"][0]["limb"], 4);
    let flat = &keys("16:4:flat", 0)["plans"][0];
    assert_eq!((&flat["limb"], &flat["limbed"], &flat["layout"]), (&json!(4), &json!("flat"), &json!("16:4:flat")));
    for wrong in ["0", "16:1", "300"] {
        assert_eq!(keys(wrong, 2)["ok"], false, "{wrong}");
    }
    for no_layout in ["paired", "16:pair", "16:flat", "flat"] {
        let output = job.run(&["setup", "m.ifq", "--srs", "dev.srs", "-o", "planned", "--layout", no_layout]);
        assert_eq!(output.status.code(), Some(2), "{no_layout}");
    }
}

/// Keys, a published model and proofs of the machine with two activations a row.
#[test]
fn the_other_shape() {
    let job = Job::proved();
    let made = job.json(&["setup", "m.ifq", "--srs", "dev.srs", "-o", "paired", "--layout", "16:4:paired"], 0);
    let plan = &made["plans"][0];
    assert_eq!((&plan["shape"], &plan["layout"]), (&json!("paired"), &json!("16:4:paired")));
    for key in ["paired/verifying.key", "paired/proving.key"] {
        assert_eq!(job.json(&["inspect", key], 0)["shape"], "paired");
    }
    assert_eq!(job.json(&["inspect", "keys/verifying.key"], 0)["shape"], "single");
    let input = fixture("digits_mlp_input.npy");
    job.json(&["prove", "--keys", "paired", "--srs", "dev.srs", "--input", &input, "-o", "p.json"], 0);
    let verify = ["verify", "--key", "paired/verifying.key", "--srs", "dev.srs", "--expect-output", "y.npy", "p.json"];
    assert_eq!(job.json(&verify, 0)["valid"], true);
    job.json(&["audit", "paired/model.pub", "--srs", "dev.srs", "--key", "paired/verifying.key"], 0);
    // Another shape than the file says, and another file than the key's.
    let text = std::fs::read_to_string(job.path("paired/model.pub")).unwrap();
    let other = text.replace("\"paired\"", "\"single\"");
    assert_ne!(text, other);
    std::fs::write(job.path("other.pub"), other).unwrap();
    let refused = job.json(&["audit", "other.pub", "--srs", "dev.srs"], 2);
    assert!(refused["error"]["message"].as_str().unwrap().contains("machine version"), "{refused}");
    // A shape to plan for.
    for shape in ["single", "paired"] {
        let made = job.json(&["setup", "m.ifq", "--srs", "dev.srs", "-o", "planned", "--replace", "--shape", shape], 0);
        let plans = made["plans"].as_array().unwrap();
        assert!(plans.iter().all(|plan| plan.get("shape").map_or("single", |s| s.as_str().unwrap()) == shape));
    }
}

#[test]
fn the_whole_job() {
    let job = Job::proved();
    let report: Value = serde_json::from_slice(&std::fs::read(job.path("r.json")).unwrap()).unwrap();
    assert!(report["top1_agreement"].as_f64().unwrap() >= 0.98);
    let verified = job.json(&[&VERIFY[..], &["--expect-output", "y.npy", "proof.json"]].concat(), 0);
    assert_eq!(verified["valid"], true);
    assert_eq!(verified["insecure"], true, "a development SRS is marked");
    let model: Value = serde_json::from_slice(&std::fs::read(job.path("keys/model.json")).unwrap()).unwrap();
    let id = model["modelId"].as_str().unwrap();
    assert_eq!(verified["statement"]["modelId"], id);
    job.json(&[&VERIFY[..], &["--expect-model", id, "proof.json"]].concat(), 0);
    let public = std::fs::read_to_string(job.path("keys/model.pub")).unwrap();
    assert!(public.contains("\"architecture\"") && !public.contains("\"layers\""), "no weights are published");
    for file in ["m.ifq", "dev.srs", "keys/verifying.key", "keys/proving.key", "proof.json"] {
        job.json(&["inspect", file], 0);
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        for file in ["keys/proving.key", "m.ifq"] {
            assert_eq!(std::fs::metadata(job.path(file)).unwrap().permissions().mode() & 0o077, 0, "{file}");
        }
    }
}

#[test]
fn what_does_not_hold_exits_with_1() {
    let job = Job::proved();
    let zeros = "00".repeat(32);
    let ones = "11".repeat(32);
    for extra in [["--expect-model", &zeros], ["--context", &ones]] {
        let failed = job.json(&[&VERIFY[..], &extra, &["proof.json"]].concat(), 1);
        assert_eq!(failed["error"]["kind"], "invalid");
    }
    let proof = std::fs::read_to_string(job.path("proof.json")).unwrap();
    let object: Value = serde_json::from_str(&proof).unwrap();
    for key in ["modelId", "context", "input", "output", "proof"] {
        let mut bad = object.clone();
        let mut digits = bad[key].as_str().unwrap().to_string();
        let last = digits.pop().unwrap();
        digits.push(if last == '0' { '1' } else { '0' });
        bad[key] = digits.into();
        std::fs::write(job.path("bad.json"), bad.to_string()).unwrap();
        job.json(&[&VERIFY[..], &["bad.json"]].concat(), 1);
    }
}

#[test]
fn what_cannot_be_used_exits_with_2() {
    let job = Job::proved();
    let proof = std::fs::read_to_string(job.path("proof.json")).unwrap();
    let object: Value = serde_json::from_str(&proof).unwrap();
    let mut files: Vec<String> = vec![String::new(), "{}".into(), "[1]".into(), proof[..proof.len() / 2].into()];
    for key in ["format", "version", "modelId", "context", "input", "output", "proof"] {
        let mut missing = object.clone();
        missing.as_object_mut().unwrap().remove(key);
        files.push(missing.to_string());
        let mut odd = object.clone();
        odd[key] = "xyz".into();
        files.push(odd.to_string());
    }
    let mut more = object;
    more["more"] = 1.into();
    files.push(more.to_string());
    for (index, text) in files.iter().enumerate() {
        std::fs::write(job.path("bad.json"), text).unwrap();
        let failed = job.json(&[&VERIFY[..], &["bad.json"]].concat(), 2);
        assert_eq!(failed["ok"], false, "file {index}");
    }
    let swapped = job.json(&["verify", "--key", "dev.srs", "--srs", "dev.srs", "proof.json"], 2);
    let message = swapped["error"]["message"].as_str().unwrap();
    assert!(message.contains("verifying key") && message.contains("reference string"), "{message}");
    for arguments in [vec!["prove"], vec!["nonsense"], vec!["srs", "new", "--k", "4", "-o", "x"]] {
        assert_eq!(job.run(&arguments).status.code(), Some(2), "{arguments:?}");
    }
    let missing = job.json(&["inspect", "nowhere.ifq"], 2);
    assert!(missing["error"]["message"].as_str().unwrap().contains("nowhere.ifq"));
    let usage = job.json(&["prove", "--keys", "keys"], 2);
    assert!(usage["error"]["message"].as_str().unwrap().contains("--srs"), "{usage}");
    let two = job.json(&[&VERIFY[..], &["proof.json", "proof.json"]].concat(), 2);
    assert!(two["error"]["message"].as_str().unwrap().contains("one proof at a time"), "{two}");
}

/// What a verifier expects of input and output, as numbers and not as the bytes that they have.
#[test]
fn expectations_are_compared() {
    let job = Job::proved();
    let input = fixture("digits_mlp_input.npy");
    let verify = |extra: &[&str], status| job.json(&[&VERIFY[..], extra, &["proof.json"]].concat(), status);
    let tensor = |end: &str| -> ndarray::Array1<f32> {
        let values = &verify(&[], 0)["statement"][end]["values"];
        values.as_array().unwrap().iter().map(|value| value.as_i64().unwrap() as f32).collect()
    };
    for (option, end) in [("--expect-input-quantised", "input"), ("--expect-output", "output")] {
        let expect = |name: &str, change: &dyn Fn(usize, f32) -> f32, status: i32| {
            let values: ndarray::Array1<f32> = tensor(end).iter().enumerate().map(|(i, v)| change(i, *v)).collect();
            std::fs::write(job.path(name), npy(&values)).unwrap();
            verify(&[option, name], status)
        };
        expect("same.npy", &|_, v| v, 0);
        expect("one.npy", &|i, v| if i == 7 { v + 1.0 } else { v }, 1);
        // The same bytes modulo 256, and modulo 2^16.
        for wrapped in [256.0, -256.0, 65280.0, -65280.0] {
            expect("wrapped.npy", &|i, v| if i == 7 { v + wrapped } else { v }, 1);
        }
        expect("half.npy", &|_, v| v + 0.5, 2);
    }
    assert_eq!(verify(&["--expect-input", &input], 0)["clipped"], 0);
    let mut other = ndarray::Array1::<f32>::zeros(64);
    std::fs::write(job.path("other.npy"), npy(&other)).unwrap();
    verify(&["--expect-input", "other.npy"], 1);
    other[0] = 1e6;
    std::fs::write(job.path("other.npy"), npy(&other)).unwrap();
    job.json(&["prove", "--keys", "keys", "--srs", "dev.srs", "--input", "other.npy", "-o", "clipped.json"], 0);
    let clipped = [&VERIFY[..], &["--expect-input", "other.npy", "clipped.json"]].concat();
    assert_eq!(job.json(&clipped, 0)["clipped"], 1);
    let refused = verify(&["--refuse-insecure"], 1);
    assert!(refused["error"]["message"].as_str().unwrap().contains("development"), "{refused}");
}

/// Options that say nothing of a file are refused.
#[test]
fn inspect_takes_no_option_in_vain() {
    let job = Job::proved();
    let refused = |arguments: &[&str], option: &str| {
        let failed = job.json(&[&["inspect"], arguments].concat(), 2);
        assert!(failed["error"]["message"].as_str().unwrap().contains(option), "{arguments:?}: {failed}");
    };
    refused(&["m.ifq", "--bits", "4"], "--bits");
    refused(&["m.ifq", "--samples", &fixture("digits_mlp_samples.npz")], "--samples");
    refused(&["m.ifq", "--dim", "batch=1"], "--dim");
    refused(&["proof.json", "--batch-in-one", "3"], "--batch-in-one");
    refused(&["keys/verifying.key", "--layout", "x.svg"], "--layout");
    job.json(&["inspect", "m.ifq", "--input-as", "private", "--layout", "x.svg"], 0);
    assert!(job.path("x.svg").exists());
}

/// The interval of inputs and the part of activations that ranges cover, as they are declared.
#[test]
fn ranges_are_declared() {
    let job = Job::new();
    let [onnx, samples] = ["digits_mlp.onnx", "digits_mlp_samples.npz"].map(fixture);
    let quantise = |extra: &[&str], status| {
        job.json(&[&["quantise", &onnx, "--samples", &samples, "-o", "m.ifq"][..], extra].concat(), status);
        std::fs::read(job.path("m.ifq")).unwrap_or_default()
    };
    let plain = quantise(&[], 0);
    let declared = quantise(&["--input-range", "-1..2"], 0);
    assert_ne!(plain, declared);
    std::fs::write(job.path("inside.npy"), npy(&ndarray::Array1::from_elem(64, -0.9))).unwrap();
    let run = ["run", "m.ifq", "--input", "inside.npy", "-o", "y.npy"];
    assert_eq!(job.json(&run, 0)["clipped"], 0);
    assert_ne!(quantise(&["--clip", "99"], 0), plain);
    assert_eq!(job.json(&run, 0)["clipped"], 64, "the samples have no negative value");
    for wrong in ["2..1", "1", "a..b", "0..inf", "1..1"] {
        let output = job.run(&["quantise", &onnx, "--samples", &samples, "-o", "n.ifq", "--input-range", wrong]);
        assert_eq!(output.status.code(), Some(2), "{wrong}");
    }
    quantise(&["--clip", "40"], 2);
}

/// A file says what it is where another was expected.
#[test]
fn files_say_what_they_are() {
    let job = Job::proved();
    let input = fixture("digits_mlp_input.npy");
    let samples = fixture("digits_mlp_samples.npz");
    let message = |arguments: &[&str]| job.json(arguments, 2)["error"]["message"].as_str().unwrap().to_string();
    for (file, what) in [("m.ifq", "a quantised network"), (&input, "a NumPy array"), ("proof.json", "JSON text")] {
        let said = message(&["quantise", file, "--samples", &samples, "-o", "x.ifq"]);
        assert!(said.contains(what), "{file}: {said}");
    }
    let said = message(&[&VERIFY[..], &["dev.srs"]].concat());
    assert!(said.contains("dev.srs: this is a structured reference string"), "{said}");
    let said = message(&[&VERIFY[..], &["keys/model.pub"]].concat());
    assert!(said.contains("inferproof/model.pub") && said.contains("inferproof/proof"), "{said}");
    assert!(message(&["inspect", &input]).contains("a NumPy array"));
    assert!(message(&["inspect", "r.json"]).contains("none that this program writes"));
    assert_eq!(job.json(&["inspect", "proof.json"], 0)["kind"], "proof");
    assert_eq!(job.json(&["inspect", "keys/model.json"], 0)["kind"], "description of a model's keys");
    job.json(&["prove-range", "--keys", "keys", "--srs", "dev.srs", "-o", "range.json"], 0);
    let range = job.json(&["inspect", "range.json"], 0);
    assert_eq!((&range["kind"], range["lanes"].as_u64().unwrap() > 0), (&json!("range proof"), true));
}

/// What cannot be written is said before the work, and what nothing can make again is not written over.
#[test]
fn what_is_there_stays() {
    let job = Job::proved();
    let input = fixture("digits_mlp_input.npy");
    let message = |arguments: &[&str]| job.json(arguments, 2)["error"]["message"].as_str().unwrap().to_string();
    let setup = ["setup", "m.ifq", "--srs", "dev.srs", "-o", "keys"];
    let key = std::fs::read(job.path("keys/proving.key")).unwrap();
    assert!(message(&setup).contains("--replace"));
    assert!(
        message(&["commit", "m.ifq", "--keys", "keys", "--srs", "dev.srs", "-o", "keys"]).contains("is there already")
    );
    assert_eq!(std::fs::read(job.path("keys/proving.key")).unwrap(), key);
    job.json(&[&VERIFY[..], &["proof.json"]].concat(), 0);

    std::fs::create_dir(job.path("folder")).unwrap();
    let prove = ["prove", "--keys", "keys", "--srs", "dev.srs", "--input", &input, "-o"];
    let range = ["prove-range", "--keys", "keys", "--srs", "dev.srs", "-o"];
    let run = ["run", "m.ifq", "--input", &input, "-o"];
    for command in [&prove[..], &range, &run] {
        for place in ["folder", "nowhere/x"] {
            let said = message(&[command, &[place]].concat());
            assert!(said.contains(place), "{said}");
        }
    }
    // Before the network is imported, which would fail too.
    let said =
        message(&["quantise", "none.onnx", "--samples", "none.npz", "-o", "q.ifq", "--report", "nowhere/r.json"]);
    assert!(said.contains("nowhere/r.json") && !job.path("q.ifq").exists(), "{said}");

    let made = job.json(&[&setup[..], &["--replace"]].concat(), 0);
    assert_ne!(std::fs::read(job.path("keys/proving.key")).unwrap(), key);
    assert!(made["model"]["modelId"].is_string());
    job.json(&[&VERIFY[..], &["proof.json"]].concat(), 1);
}

/// Inputs outside the domain that a model was quantised for are moved into it, and that is said.
#[test]
fn inputs_out_of_the_domain_are_counted() {
    let job = Job::proved();
    let input = fixture("digits_mlp_input.npy");
    assert_eq!(job.json(&["run", "m.ifq", "--input", &input, "-o", "y.npy"], 0)["clipped"], 0);
    let mut far = ndarray::Array1::<f32>::zeros(64);
    far[3] = 1e6;
    far[5] = -1e6;
    std::fs::write(job.path("far.npy"), npy(&far)).unwrap();
    assert_eq!(job.json(&["run", "m.ifq", "--input", "far.npy", "-o", "y.npy"], 0)["clipped"], 2);
    let prove = ["prove", "--keys", "keys", "--srs", "dev.srs", "--input", "far.npy", "-o", "far.json"];
    assert_eq!(job.json(&prove, 0)["clipped"], 2);
    let text = String::from_utf8(job.run(&prove).stdout).unwrap();
    assert!(text.contains("2 elements of the input"), "{text}");
    let commit = ["commit", "--input", "far.npy", "--like", "m.ifq", "--srs", "dev.srs", "-o", "far"];
    assert_eq!(job.json(&commit, 0)["clipped"], 2);
}

fn npy(array: &ndarray::Array1<f32>) -> Vec<u8> {
    use ndarray_npy::WriteNpyExt;
    let mut bytes = vec![];
    array.write_npy(&mut bytes).unwrap();
    bytes
}

#[test]
fn damaged_keys_are_refused() {
    let job = Job::proved();
    for file in ["keys/verifying.key", "dev.srs", "keys/proving.key", "m.ifq"] {
        let good = std::fs::read(job.path(file)).unwrap();
        // `inspect` reads the verifier's part of an SRS only.
        let end = good.len().min(if file == "dev.srs" { 1600 } else { 4000 });
        for position in (0..end).step_by(end / 40 + 1) {
            let mut bad = good.clone();
            bad[position] ^= 0x10;
            std::fs::write(job.path("damaged"), &bad).unwrap();
            let status = job.run(&["inspect", "damaged"]).status.code();
            assert_eq!(status, Some(2), "{file}: byte {position}");
        }
        for len in [0, 7, 21, good.len() / 2, good.len() - 1] {
            std::fs::write(job.path("damaged"), &good[..len]).unwrap();
            let status = job.run(&["inspect", "damaged"]).status.code();
            // The head of an SRS is all a verifier reads; cutting its tail is seen when proving.
            assert!(status == Some(2) || (file == "dev.srs" && len > 4000), "{file}: cut to {len}");
        }
    }
}

#[test]
fn unsupported_models_are_explained() {
    let job = Job::new();
    let failed = job.json(&["inspect", &fixture("bad/unsupported.onnx")], 2);
    let message = failed["error"]["message"].as_str().unwrap();
    for word in ["node_sin", "Sin", "node_hardmax", "node_det"] {
        assert!(message.contains(word), "{message}");
    }
    for file in ["empty", "truncated", "garbage", "two_inputs", "nan_weight", "huge_dims", "external_data"] {
        job.json(&["inspect", &fixture(&format!("bad/{file}.onnx"))], 2);
    }
}

#[test]
fn a_ceremony_s_file_is_imported() {
    let job = Job::new();
    let file = fixture("ptau/power10.ptau");
    let imported = job.json(&["srs", "import", &file, "--k", "8", "-o", "real.srs"], 0);
    assert_eq!(imported["insecure"], false);
    assert_eq!(job.json(&["inspect", "real.srs"], 0)["srsId"], imported["srsId"]);
    let refused = job.json(&["srs", "import", &file, "--k", "14", "-o", "large.srs"], 2);
    assert!(refused["error"]["message"].as_str().unwrap().contains("14"), "{refused}");
    assert!(!job.path("large.srs").exists());
}

/// The backend clamps its degree at an environment variable; keys and proofs do not depend on it.
#[test]
fn the_degree_does_not_depend_on_the_environment() {
    let job = Job::proved();
    let input = fixture("digits_mlp_input.npy");
    let arguments = ["prove", "--keys", "keys", "--srs", "dev.srs", "--input", &input, "-o", "other.json"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_inferproof"));
    let proved = command.args(arguments).current_dir(&job.folder).env("MAX_DEGREE", "3").output().unwrap();
    assert!(proved.status.success(), "{}", String::from_utf8_lossy(&proved.stderr));
    job.json(&[&VERIFY[..], &["other.json"]].concat(), 0);
}

#[test]
fn many_proofs_with_one_key() {
    let job = Job::proved();
    let inputs = ndarray_npy::read_npy::<_, ndarray::ArrayD<f32>>(fixture("digits_mlp_input.npy")).unwrap();
    let two = ndarray::stack(ndarray::Axis(0), &[inputs.view(), (&inputs * 0.5).view()]).unwrap();
    let two = two.into_shape_with_order(ndarray::IxDyn(&[2, 64])).unwrap();
    ndarray_npy::write_npy(job.path("two.npy"), &two).unwrap();
    let prove = ["prove", "--keys", "keys", "--srs", "dev.srs", "--batch", "two.npy", "-o", "proofs"];
    let proved = job.json(&prove, 0);
    assert_eq!(proved["proofs"].as_array().unwrap().len(), 2);
    let verify = |file: &str| {
        job.json(&["verify", "--key", "keys/verifying.key", "--srs", "dev.srs", &format!("proofs/{file}")], 0)
    };
    let [first, second] = ["proof-0.json", "proof-1.json"].map(verify);
    assert_ne!(first["statement"]["input"], second["statement"]["input"]);
    assert_eq!(job.run(&[&prove[..], &["--input", "two.npy"]].concat()).status.code(), Some(2));
    job.json(&[&prove[..], &["--memory-limit", "64"]].concat(), 0);
    let refused = job.json(&[&prove[..], &["--memory-limit", "2"]].concat(), 2);
    assert!(refused["error"]["message"].as_str().unwrap().contains("2 are allowed"), "{refused}");
}

/// The processor on demand, a device strictly on demand, and otherwise what there is.
#[test]
fn engines() {
    let job = Job::proved();
    let input = fixture("digits_mlp_input.npy");
    let arguments = |engine: &str| -> Vec<String> {
        let prove = [
            "--json", "prove", "--keys", "keys", "--srs", "dev.srs", "--input", &input, "-o", "e.json", "--engine",
            engine,
        ];
        prove.map(Into::into).to_vec()
    };
    let run = |engine: &str| job.run(&arguments(engine).iter().map(String::as_str).collect::<Vec<_>>());
    let said = |output: &std::process::Output| serde_json::from_slice::<Value>(&output.stdout).unwrap();
    let cpu = run("cpu");
    assert_eq!((cpu.status.code(), &said(&cpu)["engine"], cpu.stderr.len()), (Some(0), &json!("cpu"), 0));
    let [auto, cuda] = ["auto", "cuda"].map(run);
    assert_eq!(auto.status.code(), Some(0));
    job.json(&[&VERIFY[..], &["e.json"]].concat(), 0);
    if cuda.status.success() {
        // There is a device.
        assert!(said(&cuda)["engine"].as_str().unwrap().starts_with("cuda: "));
        return;
    }
    assert_eq!((cuda.status.code(), &said(&auto)["engine"]), (Some(2), &json!("cpu")));
    let message = said(&cuda)["error"]["message"].as_str().unwrap().to_string();
    let lines = String::from_utf8(auto.stderr).unwrap().lines().count();
    if cfg!(feature = "cuda") {
        assert!(message.contains("no CUDA device can be used") && lines == 1, "{message}");
    } else {
        assert!(message.contains("--features cuda") && lines == 0, "{message}");
    }
}

/// Several inputs in one proof, given as one tensor or as a list.
#[test]
fn many_inputs_in_one_proof() {
    let job = Job::proved();
    let input = ndarray_npy::read_npy::<_, ndarray::ArrayD<f32>>(fixture("digits_mlp_input.npy")).unwrap();
    let all: Vec<f32> = (0..4).flat_map(|i| input.iter().map(move |v| v * (4 - i) as f32 / 4.0)).collect();
    let write = |name: &str, shape: &[usize], values: &[f32]| {
        let tensor = ndarray::ArrayD::from_shape_vec(shape.to_vec(), values.to_vec()).unwrap();
        ndarray_npy::write_npy(job.path(name), &tensor).unwrap();
    };
    write("two.npy", &[2, 64], &all[..128]);
    write("three.npy", &[3, 64], &all[..192]);
    write("four.npy", &[4, 64], &all);
    let inspected = job.json(&["inspect", "m.ifq", "--batch-in-one", "2"], 0);
    let setup = ["setup", "m.ifq", "--srs", "dev.srs", "-o", "two", "--batch-in-one", "2"];
    let plan = &job.json(&setup, 0)["plans"][0];
    assert_eq!((plan, &plan["batch"]), (&inspected["plans"]["prover"][0], &json!(2)));
    let prove = ["prove", "--keys", "two", "--srs", "dev.srs"];
    let proved = job.json(&[&prove[..], &["--input", "two.npy", "-o", "two.json"]].concat(), 0);
    assert_eq!(proved["output"].as_array().unwrap().len(), 20);
    let verify = |file: &str| job.json(&["verify", "--key", "two/verifying.key", "--srs", "dev.srs", file], 0);
    let whole = verify("two.json");
    let batch = job.json(&[&prove[..], &["--batch", "four.npy", "-o", "proofs"]].concat(), 0);
    assert_eq!(batch["proofs"].as_array().unwrap().len(), 2);
    assert_eq!(verify("proofs/proof-0.json")["statement"]["output"], whole["statement"]["output"]);
    assert_ne!(verify("proofs/proof-1.json")["statement"]["output"], whole["statement"]["output"]);
    let refused = job.json(&[&prove[..], &["--batch", "three.npy", "-o", "proofs"]].concat(), 2);
    assert!(refused["error"]["message"].as_str().unwrap().contains("multiple"), "{refused}");
    for wrong in ["three.npy".into(), fixture("digits_mlp_input.npy")] {
        let refused = job.json(&[&prove[..], &["--input", &wrong, "-o", "wrong.json"]].concat(), 2);
        assert!(refused["error"]["message"].as_str().unwrap().contains("[2, 64]"), "{refused}");
    }
    let public = std::fs::read_to_string(job.path("two/model.pub")).unwrap();
    assert!(public.contains("\"batch\": 2"), "an auditor compiles the same program");
    job.json(&["audit", "two/model.pub", "--srs", "dev.srs", "--key", "two/verifying.key"], 0);
}

#[test]
fn integers_may_be_given_directly() {
    let job = Job::proved();
    let out_of_range = fixture("digits_mlp_input.npy");
    let real = job.json(&["run", "m.ifq", "--input-quantised", &out_of_range, "-o", "z.npy"], 2);
    assert!(real["error"]["message"].as_str().unwrap().contains("integer"));
    job.json(&["run", "m.ifq", "--input", &out_of_range, "-o", "z.npy"], 0);
}

/// A published model is the program of its key, and nothing that was changed in it is.
#[test]
fn published_models_are_audited() {
    let job = Job::proved();
    let audit =
        |extra: &[&str], code| job.json(&[&["audit", "keys/model.pub", "--srs", "dev.srs"], extra].concat(), code);
    let model: Value = serde_json::from_slice(&std::fs::read(job.path("keys/model.json")).unwrap()).unwrap();
    let [program, id] = ["programId", "modelId"].map(|field| model[field].as_str().unwrap());
    let audited = audit(&["--key", "keys/verifying.key", "--expect-program", program], 0);
    assert_eq!(
        (&audited["programId"], &audited["modelId"], &audited["insecure"]),
        (&program.into(), &id.into(), &true.into())
    );
    let kind = &job.json(&["inspect", "keys/model.pub"], 0)["kind"];
    assert_eq!(kind, "published model");
    assert_eq!(audit(&["--expect-program", &"00".repeat(32)], 1)["error"]["kind"], "invalid");
    // Of other weights it is the same program, of other published intervals another.
    job.json(&["setup", "m.ifq", "--srs", "dev.srs", "-o", "again"], 0);
    audit(&["--key", "again/verifying.key"], 0);
    let [onnx, samples] = ["digits_mlp.onnx", "digits_mlp_samples.npz"].map(fixture);
    job.json(&["quantise", &onnx, "--samples", &samples, "-o", "n.ifq", "--bits", "6", "--shift", "8"], 0);
    job.json(&["setup", "n.ifq", "--srs", "dev.srs", "-o", "other"], 0);
    let differs = audit(&["--key", "other/verifying.key"], 1);
    assert!(differs["error"]["message"].as_str().unwrap().contains("the program of the key"), "{differs}");
    // Another SRS names another program.
    job.json(&["srs", "new", "--insecure", "--k", "11", "-o", "two.srs"], 0);
    job.json(&["audit", "keys/model.pub", "--srs", "two.srs"], 1);

    let text = std::fs::read_to_string(job.path("keys/model.pub")).unwrap();
    let honest: Value = serde_json::from_str(&text).unwrap();
    let with = |pointer: &str, value: Value, code: i32| {
        let mut changed = honest.clone();
        *changed.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value;
        std::fs::write(job.path("changed.pub"), changed.to_string()).unwrap();
        job.json(&["audit", "changed.pub", "--srs", "dev.srs"], code)
    };
    let nodes = honest["architecture"]["nodes"].as_array().unwrap();
    let affine = nodes.iter().position(|node| node["op"].get("affine").is_some()).unwrap();
    let quotient = format!("/architecture/nodes/{affine}/op/affine/quotient/hi");
    let interval = honest.pointer(&quotient).unwrap().as_i64().unwrap();
    // Tables hold whole blocks of quotients, so one less may be the same program.
    with(&quotient, (interval / 8).into(), 1);
    with("/architecture/shift", 7.into(), 1);
    with("/outputScale", "1.5".into(), 1);
    with("/programId", "11".repeat(32).into(), 1);
    // More rows than 2^k has.
    with("/layout/lanes", 2.into(), 2);
    // One that the SRS serves and the network does not have, and one that the SRS does not serve.
    for (k, part) in [(11, "its k is 11"), (12, "2^12 rows needs an SRS")] {
        let refused = with("/k", k.into(), 2);
        assert!(refused["error"]["message"].as_str().unwrap().contains(part), "{refused}");
    }
    with("/inputScale", "-1".into(), 2);
    with("/version", 3.into(), 2);
    with("/format", "inferproof/proof".into(), 2);
    with(&format!("/architecture/nodes/{affine}/name"), "\u{1b}[2J".into(), 2);
    with("/architecture/output", 99.into(), 2);
    for damaged in ["", "{", "[]", &text[..text.len() / 2]] {
        std::fs::write(job.path("changed.pub"), damaged).unwrap();
        job.json(&["audit", "changed.pub", "--srs", "dev.srs"], 2);
    }
}

/// Rows, `k`, cells, proof size and gas are what `inspect` said before there was a key.
#[cfg(feature = "evm")]
#[test]
fn predictions_are_exact() {
    let job = Job::proved();
    let inspected = job.json(&["inspect", "m.ifq"], 0);
    let plan = &inspected["plans"]["prover"][0];
    let model: Value = serde_json::from_slice(&std::fs::read(job.path("keys/model.json")).unwrap()).unwrap();
    // `setup` says what it took; the machine's speed is no part of it.
    for field in ["k", "lanes", "limb", "rows", "table", "weightRows", "activationRows", "fullCellsPerWeight", "gas"] {
        assert_eq!(plan[field], model["cost"][field], "{field}");
    }
    let key = job.json(&["inspect", "keys/verifying.key"], 0);
    assert_eq!((&plan["k"], &plan["lanes"]), (&key["k"], &key["lanes"]));
    let proof: Value = serde_json::from_slice(&std::fs::read(job.path("proof.json")).unwrap()).unwrap();
    let bytes = |field: &str| hex::decode(proof[field].as_str().unwrap()).unwrap();
    assert_eq!(plan["proofBytes"], bytes("proof").len());
    let check = ["contract", "check", "--key", "keys/verifying.key", "--srs", "dev.srs", "proof.json"];
    let gas = job.json(&check, 0)["verify"][0].as_u64().unwrap();
    let public = ["modelId", "context", "input", "output", "proof"].iter().flat_map(|field| bytes(field));
    let zeros = public.filter(|byte| *byte == 0).count() as u64;
    assert_eq!(plan["gas"], gas + 12 * zeros);

    // Of public weights too, whose proofs are shorter.
    let setup = job.json(&["setup", "m.ifq", "--srs", "dev.srs", "-o", "public", "--weights", "public"], 0);
    let input = fixture("digits_mlp_input.npy");
    job.json(&["prove", "--keys", "public", "--srs", "dev.srs", "--input", &input, "-o", "public.json"], 0);
    let proof: Value = serde_json::from_slice(&std::fs::read(job.path("public.json")).unwrap()).unwrap();
    let bytes = |field: &str| hex::decode(proof[field].as_str().unwrap()).unwrap();
    assert_eq!(setup["model"]["cost"]["proofBytes"], bytes("proof").len());
    let check = ["contract", "check", "--key", "public/verifying.key", "--srs", "dev.srs", "public.json"];
    let gas = job.json(&check, 0)["verify"][0].as_u64().unwrap();
    let shown = ["modelId", "context", "input", "output", "proof"].iter().flat_map(|field| bytes(field));
    assert_eq!(setup["model"]["cost"]["gas"], gas + 12 * shown.filter(|byte| *byte == 0).count() as u64);
}

/// What goes to a chain, and what it costs there.
#[cfg(feature = "evm")]
#[test]
fn contracts_keys_and_calldata() {
    let job = Job::proved();
    let exported = job.json(&["contract", "export", "-o", "package", "--srs", "dev.srs"], 0);
    assert_eq!(exported["insecure"], true);
    for file in exported["files"].as_array().unwrap() {
        assert!(job.path("package").join(file.as_str().unwrap()).is_file(), "{file}");
    }
    let source = std::fs::read_to_string(job.path("package/InferenceVerifier.sol")).unwrap();
    assert!(source.contains("contract InferenceVerifier is ModelKeys"));
    let model: Value = serde_json::from_slice(&std::fs::read(job.path("keys/model.json")).unwrap()).unwrap();
    let data = job.json(&["contract", "model-data", "--key", "keys/verifying.key"], 0);
    assert_eq!(data["modelId"].as_str().unwrap(), format!("0x{}", model["modelId"].as_str().unwrap()));
    assert!(data["key"].as_str().unwrap().starts_with(&format!("0x{}", hex::encode("inferproof/program/1"))));
    let one = job.json(&["contract", "calldata", "proof.json"], 0);
    assert_eq!((&one["function"], &one["calldata"].as_str().unwrap()[..2]), (&"verify".into(), "0x"));
    let two = job.json(&["contract", "calldata", "proof.json", "proof.json"], 0);
    assert_eq!(two["function"], "verifyBatch");
    let check = ["contract", "check", "--key", "keys/verifying.key", "--srs", "dev.srs"];
    let report = job.json(&[&check[..], &["proof.json", "proof.json"]].concat(), 0);
    let gas = |value: &Value| value.as_u64().unwrap();
    assert!(gas(&report["verify"][0]) < 800_000 && gas(&report["batch"]) < 2 * gas(&report["verify"][0]));
    let prague = job.json(&[&check[..], &["--fork", "prague", "proof.json"]].concat(), 0);
    assert!(gas(&prague["verify"][0]) < gas(&report["verify"][0]), "inversions cost less before Osaka");
    // A proof that does not hold exits with 1, a file that is none with 2.
    let proof = std::fs::read_to_string(job.path("proof.json")).unwrap();
    let mut bad: Value = serde_json::from_str(&proof).unwrap();
    bad["context"] = "11".repeat(32).into();
    std::fs::write(job.path("bad.json"), bad.to_string()).unwrap();
    let failed = job.json(&[&check[..], &["bad.json"]].concat(), 1);
    assert!(failed["error"]["message"].as_str().unwrap().contains("InvalidProof"), "{failed}");
    job.json(&[&check[..], &["dev.srs"]].concat(), 2);
    job.json(&["contract", "model-data", "--key", "dev.srs"], 2);
    // The contract's digest, as another implementation of the ABI has it.
    let address = |last: &str| format!("0x{last:0>40}");
    let context = |request: &str, code| {
        let [consumer, beneficiary] = ["c0", "be"].map(address);
        let usage = ["--consumer", &consumer, "--request", request, "--beneficiary", &beneficiary];
        let command = [&["contract", "context", "--chain-id", "1"], &usage[..], &["--expiry", "1893456000"]].concat();
        job.json(&command, code)
    };
    let expected = "0x66ad8f268ea63d0bab496daf2fd8e0365676d168878754230b828f3c9a4269bf";
    for request in ["7", &format!("{:0>64}", 7)] {
        assert_eq!(context(request, 0)["context"], expected);
    }
    context("seven", 2);
}

/// Everything that `quantise` says about a small network, for a target.
#[test]
fn targets_and_explanations() {
    let job = Job::new();
    let [onnx, samples, test] = ["digits_mlp.onnx", "digits_mlp_samples.npz", "digits_mlp_test.npz"].map(fixture);
    let quantise = ["quantise", &onnx, "--samples", &samples, "-o", "m.ifq"];
    fn joined<'a>(arguments: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
        [arguments, more].concat()
    }
    let found = job.json(&joined(&quantise, &["--target", "top1>=0.99", "--target", "max-error<=1.5", "--explain"]), 0);
    assert_eq!(found["decidedOn"], "calibration");
    assert!(found["report"]["max_abs_error"].as_f64().unwrap() <= 1.5);
    let candidates = found["candidates"].as_array().unwrap();
    let chosen: Vec<&Value> = candidates.iter().filter(|candidate| candidate["chosen"] == true).collect();
    assert_eq!(chosen.len(), 1, "{candidates:?}");
    for key in ["activation_bits", "shift", "top1_agreement", "max_abs_error", "k", "rows", "prover_seconds"] {
        assert!(chosen[0][key].is_number(), "{key}: {}", chosen[0]);
    }
    assert_eq!((&found["bits"], &found["shift"]), (&chosen[0]["activation_bits"], &chosen[0]["shift"]));
    let finer = &found["explanation"]["finer"];
    assert_eq!(finer["activation_bits"].as_u64(), found["bits"].as_u64().map(|bits| bits + 1));
    assert_eq!(found["explanation"]["loses_most"], found["report"]["loses_most"]);
    let text = String::from_utf8(job.run(&joined(&quantise, &["--target", "top1>=0.9", "--explain"])).stdout).unwrap();
    for words in ["decided on the calibration samples; * is taken", "loses most", "one bit more", "observed"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let fixed = job.json(&joined(&quantise, &["--target", "top1>=0.9", "--bits", "7", "--validate", &test]), 0);
    assert_eq!(
        (&fixed["decidedOn"], &fixed["bits"], &fixed["report"]["samples"]),
        (&"validation".into(), &7.into(), &100.into())
    );
    assert!(fixed["report"]["accuracy"]["integer"].is_number(), "the validation set has labels");
    let missed = job.json(&joined(&quantise, &["--target", "max-error<=1e-9", "--bits", "5"]), 2);
    let message = missed["error"]["message"].as_str().unwrap();
    for words in ["max-error<=", "activation_bits 5", "own SNR", "fix neither bits nor shift"] {
        assert!(message.contains(words), "{message}");
    }
    let misspelt = job.run(&joined(&quantise, &["--target", "top1<=0.9"]));
    assert_eq!(misspelt.status.code(), Some(2));
    assert!(String::from_utf8(misspelt.stderr).unwrap().contains("top1>=F"), "clap says what a target is");
}

#[test]
fn a_model_is_evaluated_on_its_task() {
    use ndarray::Array1;
    let job = Job::new();
    let [onnx, samples, test] = ["digits_mlp.onnx", "digits_mlp_samples.npz", "digits_mlp_test.npz"].map(fixture);
    job.json(&["quantise", &onnx, "--samples", &samples, "-o", "m.ifq"], 0);
    let evaluate = ["evaluate", "m.ifq", "--inputs", &test];
    let labelled = job.json(&evaluate, 0);
    let task = &labelled["evaluation"];
    let cells = task["labelled"]["confusion"].as_array().unwrap();
    assert_eq!(cells.iter().map(|cell| cell["samples"].as_u64().unwrap()).sum::<u64>(), 100);
    assert!(task["labelled"]["accuracy"].as_f64().unwrap() >= 0.96, "{task}");
    assert!(labelled["report"].is_null() && labelled["sameSource"].is_null());

    // With the float model: its report, and a chart of its layers.
    let compared = job.json(&[&evaluate[..], &["--onnx", &onnx, "--svg", "errors.svg"]].concat(), 0);
    assert_eq!((&compared["sameSource"], &compared["evaluation"]), (&true.into(), task));
    assert_eq!(compared["report"]["accuracy"]["integer"], task["labelled"]["accuracy"]);
    let layers = compared["report"]["layers"].as_array().unwrap();
    assert!(layers.iter().all(|layer| layer["own_snr_db"].is_number()) && layers.len() == 2);
    assert_eq!(compared["report"]["tensors"][0]["operator"], "input");
    let svg = std::fs::read_to_string(job.path("errors.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.matches("class=\"own\"").count() == 2, "{svg}");
    assert_eq!(job.run(&[&evaluate[..], &["--svg", "errors.svg"]].concat()).status.code(), Some(2));
    let other = fixture("digits_cnn.onnx");
    assert_eq!(job.run(&[&evaluate[..], &["--onnx", &other]].concat()).status.code(), Some(2));

    // Labels of their own, of any integer type; not of another length, and not floats.
    let zeros = |length: usize| Array1::<i64>::zeros(length);
    let write = |name: &str, length| ndarray_npy::write_npy(job.path(name), &zeros(length)).unwrap();
    write("i64.npy", 100);
    write("short.npy", 99);
    ndarray_npy::write_npy(job.path("i32.npy"), &zeros(100).mapv(|v| v as i32)).unwrap();
    ndarray_npy::write_npy(job.path("u8.npy"), &zeros(100).mapv(|v| v as u8)).unwrap();
    ndarray_npy::write_npy(job.path("float.npy"), &zeros(100).mapv(|v| v as f64)).unwrap();
    let zero_share = job.json(&[&evaluate[..], &["--labels", "i64.npy"]].concat(), 0);
    assert!(zero_share["evaluation"]["labelled"]["accuracy"].as_f64().unwrap() < 0.2);
    for name in ["i32.npy", "u8.npy"] {
        let same = job.json(&[&evaluate[..], &["--labels", name]].concat(), 0);
        assert_eq!(same["evaluation"], zero_share["evaluation"], "{name}");
    }
    for (name, words) in [("short.npy", ["100 of them", "99"]), ("float.npy", ["integers", "floats"])] {
        let failed = job.json(&[&evaluate[..], &["--labels", name]].concat(), 2);
        let message = failed["error"]["message"].as_str().unwrap();
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
    }

    // Without labels, how the classes are distributed.
    let unlabelled = job.run(&["evaluate", "m.ifq", "--inputs", &samples]);
    let text = String::from_utf8(unlabelled.stdout).unwrap();
    assert!(text.contains("share") && !text.contains("accuracy"), "{text}");
}

/// A proof shows the form of the output that the model was quantised with, and no more.
#[test]
fn the_output_may_be_less_than_the_tensor() {
    let job = Job::new();
    let (onnx, samples) = (fixture("digits_mlp.onnx"), fixture("digits_mlp_samples.npz"));
    let input = fixture("digits_mlp_input.npy");
    job.json(&["srs", "new", "--insecure", "--k", "11", "-o", "dev.srs"], 0);
    job.json(&["quantise", &onnx, "--samples", &samples, "-o", "whole.ifq"], 0);
    job.json(&["run", "whole.ifq", "--input", &input, "-o", "whole.npy"], 0);
    let integers = |file: &str| ndarray_npy::read_npy::<_, ndarray::Array1<i64>>(job.path(file)).unwrap().to_vec();
    let scores = integers("whole.npy");
    let best = (0..10).rev().max_by_key(|&class| scores[class]).unwrap();
    // Entries have a scale of their own: what is left of them is their order.
    let entries = format!("entries={best},{}", (best + 1) % 10);
    type Expected = Box<dyn Fn(&[i64]) -> bool>;
    let forms: [(&str, Expected); 3] = [
        ("argmax", Box::new(move |got| got == [best as i64])),
        (&entries, Box::new(|got| got.len() == 2 && got[0] > got[1])),
        (&format!("score[{best}]>0"), Box::new(move |got| got == [i64::from(scores[best] > 0)])),
    ];
    for (form, expected) in forms {
        let quantised =
            job.json(&["quantise", &onnx, "--samples", &samples, "-o", "form.ifq", "--output-form", form], 0);
        assert!(quantised["report"]["top1_agreement"].as_f64().unwrap() >= 0.98, "{form}");
        job.json(&["setup", "form.ifq", "--srs", "dev.srs", "-o", "keys"], 0);
        job.json(&["run", "form.ifq", "--input", &input, "-o", "form.npy"], 0);
        assert!(expected(&integers("form.npy")), "{form}: {:?}", integers("form.npy"));
        job.json(&["prove", "--keys", "keys", "--srs", "dev.srs", "--input", &input, "-o", "proof.json"], 0);
        let key = ["verify", "--key", "keys/verifying.key", "--srs", "dev.srs"];
        job.json(&[&key[..], &["--expect-output", "form.npy", "proof.json"]].concat(), 0);
        std::fs::remove_dir_all(job.path("keys")).unwrap();
    }
    for form in ["entries=10", "top-k=11", "score[0]>nan", "most"] {
        let arguments = ["quantise", &onnx, "--samples", &samples, "-o", "form.ifq", "--output-form", form];
        assert_eq!(job.run(&arguments).status.code(), Some(2), "{form}");
    }
}
