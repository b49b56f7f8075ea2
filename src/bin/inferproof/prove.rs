//! `inferproof prove`.

use crate::Outcome;
use crate::commit::{with_ending, write_tensor};
use crate::engine::{EngineName, Interrupted, Work};
use crate::failure::Failure;
use crate::inputs::{Input, Integers, clipping, parse_word};
use crate::progress::Stages;
use crate::segments::{create, key_folder};
use clap::Args;
use inferproof::artefact::{check_new, check_writable};
use inferproof::commitment::TensorOpening;
use inferproof::engine::Engine;
use inferproof::keys::ProvingKey;
use inferproof::prove::{ProveError, Prover, ProverOptions, Source, Step};
use inferproof::quantise::Samples;
use inferproof::srs::Srs;
use inferproof_circuits::interface::{End, Visibility};
use rand_core::OsRng;
use serde_json::json;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Arguments of `prove`.
#[derive(Args)]
pub(crate) struct Prove {
    /// Folder that setup wrote.
    #[arg(long)]
    keys: PathBuf,
    /// Which segment's keys in that folder, if it holds those of segments.
    #[arg(long, value_name = "I")]
    segment: Option<usize>,
    /// Structured reference string.
    #[arg(long)]
    srs: PathBuf,
    /// Real-valued input (.npy); it is quantised as the model says.
    #[arg(long, value_name = "X.NPY", required_unless_present_any = ["input_quantised", "input_opening", "batch"])]
    input: Option<PathBuf>,
    /// The integers themselves (.npy), in the model's declared range.
    #[arg(long, value_name = "X.NPY", conflicts_with = "input")]
    input_quantised: Option<PathBuf>,
    /// Many real-valued inputs (.npz, or .npy with a leading axis), the key loaded once: writes OUTPUT/proof-I.json, from 0 on, for each,
    /// or for as many as a proof has.
    #[arg(long, value_name = "X.NPZ", conflicts_with_all = ["input", "input_quantised", "input_opening", "output_opening", "commit_output"])]
    batch: Option<PathBuf>,
    /// For a committed input: what opens the commitment that the proof is to speak of.
    #[arg(long, value_name = "X.OPENING", conflicts_with_all = ["input", "input_quantised"])]
    input_opening: Option<PathBuf>,
    /// For a given output: what opens the commitment that the proof is to speak of.
    #[arg(long, value_name = "Y.OPENING")]
    output_opening: Option<PathBuf>,
    /// For an output that is committed to by the proof: writes NAME.opening, which is secret, and NAME.commitment.
    #[arg(long, value_name = "NAME", conflicts_with = "output_opening")]
    commit_output: Option<PathBuf>,
    /// 32 bytes in hex that bind the proof to a use; zeros if not given.
    #[arg(long, value_parser = parse_word)]
    context: Option<[u8; 32]>,
    /// What to prove on: cuda fails without a device, auto falls back to the processor. Devices need a build with `--features cuda`.
    #[arg(long, value_enum, default_value = "auto")]
    engine: EngineName,
    /// Refuse to take more of the processor's memory than so many MiB, by prediction.
    #[arg(long, value_name = "MIB")]
    memory_limit: Option<u64>,
    /// Proof to write (JSON); with --batch a folder.
    #[arg(short, long)]
    output: PathBuf,
}

/// What is to be proved, and with which key.
struct Task<'a> {
    arguments: &'a Prove,
    stages: &'a mut Stages,
    key: ProvingKey,
    srs: &'a Srs,
    inputs: Inputs,
    /// Elements of the inputs outside the model's domain.
    clipped: u64,
}

/// What proofs are of.
enum Inputs {
    /// The integers of a proof's inputs, or what opens a commitment to them; and what opens a given output.
    One { values: Vec<i64>, opening: Option<Box<TensorOpening>>, given: Option<Box<TensorOpening>> },
    /// Those of several proofs.
    Many(Vec<Vec<i64>>),
}

impl Prove {
    pub(crate) fn run(&self) -> Result<Outcome, Failure> {
        let mut stages = Stages::default();
        let folder = self.segment.map_or_else(|| self.keys.clone(), |index| key_folder(&self.keys, index));
        let key = ProvingKey::load(&folder.join("proving.key"))?;
        match &self.batch {
            Some(_) => create(&self.output)?,
            None => check_writable(&self.output)?,
        }
        let (inputs, clipped) = match &self.batch {
            Some(path) => many(path, &key)?,
            None => self.one(&key)?,
        };
        let srs = stages.run("read SRS", || Srs::read_up_to(&self.srs, key.verifying_key().k()))?;
        self.engine.run(&mut Task { arguments: self, stages: &mut stages, key, srs: &srs, inputs, clipped })
    }

    fn one(&self, key: &ProvingKey) -> Result<(Inputs, u64), Failure> {
        let interface = key.verifying_key().io().interface;
        self.check_openings(interface.input, interface.output)?;
        let load = |path: &Option<PathBuf>| path.as_deref().map(TensorOpening::load).transpose();
        let opening = load(&self.input_opening)?.map(Box::new);
        let Integers { values, clipped } = match (&opening, Input::of(self.input.clone(), self.input_quantised.clone()))
        {
            (None, Some(input)) => input.load_for(key)?,
            _ => Integers { values: vec![], clipped: 0 },
        };
        let given = load(&self.output_opening)?.map(Box::new);
        Ok((Inputs::One { values, opening, given }, clipped))
    }

    fn context(&self) -> [u8; 32] {
        self.context.unwrap_or([0; 32])
    }

    fn prove<E: Engine>(
        &self,
        prover: &Prover<E>,
        source: Source<'_>,
        given: Option<&TensorOpening>,
        stages: &mut Stages,
    ) -> Result<Outcome, Interrupted> {
        let proved = stages.run_telling("prove", |say| {
            let observer = |step: Step| {
                say(&step.to_string());
                ControlFlow::Continue(())
            };
            prover.prove_observed(source, given, self.context(), OsRng, &observer)
        })?;
        // The opening first: a proof whose opening is lost leads nowhere.
        if let (Some(name), Some(made)) = (&self.commit_output, &proved.openings.output) {
            write_tensor(name, made)?;
        }
        let proof = proved.proof;
        proof.save(&self.output).map_err(Failure::from)?;
        let io = prover.key().verifying_key().io();
        let output = match io.interface.output {
            Visibility::Public => io.output.packing.decode(&proof.statement.output),
            // Not for a terminal's scrollback: the opening has it.
            Visibility::Committed | Visibility::Given | Visibility::Private => None,
        };
        let each = prover.key().model().output_shape().iter().product();
        let rows = |output: &Vec<i64>| {
            let rows: Vec<String> = output.chunks(each).map(|output| format!("{output:?}")).collect();
            rows.join("\n         ")
        };
        let shown = output.as_ref().map_or_else(|| "not shown".into(), rows);
        let text = format!(
            "output   {shown}\nproof    {} bytes, verified\nwritten  {}\n{}",
            proof.bytes.len(),
            self.output.display(),
            stages.to_text()
        );
        let json = json!({
            "ok": true, "modelId": hex::encode(proof.statement.model_id), "output": output, "seen": io.interface,
            "proofBytes": proof.bytes.len(), "seconds": stages.to_json(),
        });
        Ok(Outcome { json, text })
    }

    /// Each proof is written as soon as it is made, so what is there when a batch ends early is whole.
    fn prove_many<E: Engine>(
        &self,
        prover: &Prover<E>,
        inputs: &[Vec<i64>],
        stages: &mut Stages,
    ) -> Result<Outcome, Interrupted> {
        let files = stages.run_telling("prove", |say| {
            let mut files = vec![];
            for (index, input) in inputs.iter().enumerate() {
                say(&format!("{} of {}", index + 1, inputs.len()));
                let file = self.output.join(format!("proof-{index}.json"));
                prover.prove(input, self.context(), OsRng)?.save(&file).map_err(Failure::from)?;
                files.push(file.display().to_string());
            }
            Ok::<_, Interrupted>(files)
        })?;
        let text =
            format!("proofs   {}, verified\nwritten  {}\n{}", files.len(), self.output.display(), stages.to_text());
        let model_id = hex::encode(prover.key().verifying_key().model_id());
        let json = json!({ "ok": true, "modelId": model_id, "proofs": files, "seconds": stages.to_json() });
        Ok(Outcome { json, text })
    }

    /// What opens commitments is given where it is needed, and nowhere else.
    fn check_openings(&self, input: Visibility, output: Visibility) -> Result<(), Failure> {
        let unusable = |message: &str| Err(Failure::Unusable(message.into()));
        if input == Visibility::Committed && self.input_opening.is_none() {
            return unusable(
                "the input is committed: make a commitment with `inferproof commit` and give --input-opening",
            );
        }
        if input != Visibility::Committed && self.input_opening.is_some() {
            return unusable("--input-opening is for keys with a committed input; these take --input");
        }
        let wanted = [output == Visibility::Given, output == Visibility::Committed];
        if wanted != [self.output_opening.is_some(), self.commit_output.is_some()] {
            return unusable(match output {
                Visibility::Given => "the output is given: commit to it beforehand and give --output-opening",
                Visibility::Committed => {
                    "the output is committed to by the proof: say with --commit-output where to keep what opens it"
                }
                Visibility::Public | Visibility::Private => {
                    "the output is not committed: give neither --output-opening nor --commit-output"
                }
            });
        }
        match &self.commit_output {
            Some(name) => Ok(check_new(&with_ending(name, ".opening"))?),
            None => Ok(()),
        }
    }
}

/// The inputs of a list, as many in one as a proof takes; and how many elements were clipped.
fn many(path: &Path, key: &ProvingKey) -> Result<(Inputs, u64), Failure> {
    let interface = key.verifying_key().io().interface;
    if [End::Input, End::Output].iter().any(|end| interface.of(*end).is_committed()) {
        let message = "a batch is for inputs and outputs that are public or private: commitments are made one by one";
        return Err(Failure::Unusable(message.into()));
    }
    let samples = Samples::load(path, key.model().input_shape())?;
    let clipped = samples.inputs().iter().map(|input| key.model().saturated_inputs(input)).sum::<Result<_, _>>()?;
    let inputs = samples.inputs().iter().map(|input| key.model().quantise_input(input));
    let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
    let each = key.layout().batch;
    if inputs.len() % each != 0 {
        let message = format!("{} inputs, and a proof of these keys has {each}: give a multiple of that", inputs.len());
        return Err(Failure::Unusable(message));
    }
    Ok((Inputs::Many(inputs.chunks(each).map(<[_]>::concat).collect()), clipped))
}

impl Work for Task<'_> {
    type Done = Outcome;

    fn run<E: Engine>(
        &mut self,
        name: &str,
        load: impl FnOnce() -> Result<Prover<E>, ProveError>,
    ) -> Result<Outcome, Interrupted> {
        let prover = self.stages.run("load key", load)?;
        let Outcome { mut json, text } = match &self.inputs {
            Inputs::One { values, opening, given } => {
                let source = opening.as_deref().map_or(Source::Values(values), Source::Opening);
                self.arguments.prove(&prover, source, given.as_deref(), self.stages)?
            }
            Inputs::Many(inputs) => self.arguments.prove_many(&prover, inputs, self.stages)?,
        };
        json["engine"] = name.into();
        json["clipped"] = self.clipped.into();
        Ok(Outcome { json, text: clipping(self.clipped) + &text })
    }

    fn run_on_processor(&mut self) -> Result<Outcome, Interrupted> {
        let memory_limit = self.arguments.memory_limit.map(|mib| mib.saturating_mul(1 << 20));
        let options = ProverOptions { memory_limit, many: matches!(self.inputs, Inputs::Many(_)) };
        let (key, srs) = (self.key.clone(), self.srs);
        self.run("cpu", || Prover::with_options(key, srs, options))
    }

    #[cfg(feature = "cuda")]
    fn run_on_device(&mut self, engine: inferproof::engine::CudaEngine) -> Result<Outcome, Interrupted> {
        let (key, srs) = (self.key.clone(), self.srs);
        let name = format!("cuda: {}", engine.name());
        self.run(&name, || Prover::with_engine(engine, key, srs))
    }
}
