//! What files are, what is expected of them, and what is refused.

use super::*;

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
