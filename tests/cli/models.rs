//! From ONNX to a quantised model: what is declared, searched, explained and evaluated.

use super::*;

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
