//! `inferproof commit`: to a tensor, to what passes between segments, to the weights of a new version.

use crate::Outcome;
use crate::failure::Failure;
use crate::inputs::{Input, Integers, clipping, integers};
use crate::progress::Stages;
use crate::segments::{create, key_folders};
use crate::setup::KeyFolder;
use clap::Args;
use inferproof::artefact::{Identity, Kind, identify};
use inferproof::commitment::{TensorCommitment, TensorOpening};
use inferproof::keys::{ProvingKey, PublicModel, TensorSpec, VerifyingKey, recommit};
use inferproof::model::Model;
use inferproof::prove::Prover;
use inferproof::quantise::{load_array, load_tensor};
use inferproof::srs::Srs;
use inferproof_circuits::integer::Interval;
use inferproof_circuits::network::execute_batch;
use inferproof_circuits::program::Layout;
use rand_core::OsRng;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Arguments of `commit`.
///
/// A tensor: --input or --input-quantised, and --like or --range and --scale; writes OUTPUT.commitment to publish and OUTPUT.opening to
/// keep. Boundaries: --keys of a chain and --input; writes OUTPUT/boundary-I.commitment and .opening. A new version: MODEL and --keys of the
/// earlier one; writes keys to OUTPUT. Again: --opening; writes OUTPUT.commitment.
#[derive(Args)]
pub(crate) struct Commit {
    /// Quantised model (.ifq) that is a new version of the one in --keys.
    #[arg(conflicts_with_all = ["input", "input_quantised"], requires = "keys")]
    model: Option<PathBuf>,
    /// Folder that setup wrote.
    #[arg(long)]
    keys: Option<PathBuf>,
    /// Real-valued tensor (.npy).
    #[arg(long, value_name = "X.NPY", conflicts_with = "input_quantised")]
    input: Option<PathBuf>,
    /// The integers themselves (.npy).
    #[arg(long, value_name = "X.NPY")]
    input_quantised: Option<PathBuf>,
    /// Shape, range and scale as those of the input in this file: a quantised model, a key, a model.pub or another commitment. For several inputs
    /// in one proof not the model, which does not know how many.
    #[arg(long, conflicts_with_all = ["keys", "range", "scale"])]
    like: Option<PathBuf>,
    /// As those of the output instead.
    #[arg(long, requires = "like")]
    of_output: bool,
    /// Least and greatest integer, for instance -127..127.
    #[arg(long, value_parser = parse_range, requires = "scale", conflicts_with = "keys", allow_hyphen_values = true, value_name = "LO..HI")]
    range: Option<Interval>,
    /// Integer units in one real unit.
    #[arg(long, requires = "range")]
    scale: Option<f64>,
    /// An opening, to write its commitment again.
    #[arg(long, conflicts_with_all = ["model", "keys", "input", "input_quantised", "like", "range"])]
    opening: Option<PathBuf>,
    /// Structured reference string.
    #[arg(long)]
    srs: PathBuf,
    /// What to write: a name without ending, or a folder.
    #[arg(short, long)]
    output: PathBuf,
}

fn parse_range(text: &str) -> Result<Interval, String> {
    let (lo, hi) = text.split_once("..").ok_or("expected LO..HI")?;
    let number = |text: &str| text.parse::<i64>().map_err(|_| "expected two integers, LO..HI".to_string());
    Ok(Interval::new(number(lo)?, number(hi)?))
}

impl Commit {
    pub(crate) fn run(&self) -> Result<Outcome, Failure> {
        if let Some(path) = &self.opening {
            return self.again(path);
        }
        match (&self.model, &self.keys, Input::of(self.input.clone(), self.input_quantised.clone())) {
            (Some(model), Some(keys), _) => self.version(model, keys),
            (None, Some(keys), Some(input)) => self.boundaries(keys, &input),
            (None, None, Some(input)) => self.tensor(&input),
            _ => Err(Failure::Unusable(
                "nothing to commit to: give --input for a tensor, or a model and --keys for a new version".into(),
            )),
        }
    }

    fn tensor(&self, input: &Input) -> Result<Outcome, Failure> {
        let mut stages = Stages::default();
        let (path, quantised) = input.path();
        let (spec, tensor) = match (&self.like, self.range, self.scale) {
            (Some(like), ..) => {
                let spec = described(like, self.of_output)?;
                let tensor = load_tensor(path, &spec.shape)?;
                (spec, tensor)
            }
            (None, Some(range), Some(scale)) => {
                let tensor = load_array(path)?;
                (TensorSpec::new(tensor.shape().to_vec(), range, scale)?, tensor)
            }
            _ => return Err(Failure::Unusable("give --like FILE, or --range LO..HI and --scale S".into())),
        };
        let reals = || tensor.iter().copied();
        let (values, clipped) = if quantised {
            (integers(path, &tensor, "give real numbers with --input")?, 0)
        } else {
            (spec.quantise(reals()), spec.saturated(reals()))
        };
        // The elements and the powers before them.
        let k = (spec.packing.elements + 3).next_power_of_two().ilog2();
        let srs = stages.run("read SRS", || Srs::read_up_to(&self.srs, k))?;
        let opening = stages.run("commit", || TensorOpening::commit(spec, &values, &srs, OsRng))?;
        let [public, secret] = write_tensor(&self.output, &opening)?;
        let commitment = opening.commitment();
        let insecure = if srs.insecure() { "INSECURE: the SRS is for development only\n" } else { "" };
        let text = format!(
            "tensorId {}\n{}\n{}{insecure}publish  {}\nkeep     {} (secret)\n{}",
            hex::encode(commitment.tensor_id()),
            commitment.spec(),
            clipping(clipped),
            public.display(),
            secret.display(),
            stages.to_text()
        );
        let json = json!({
            "ok": true, "tensor": tensor_json(commitment), "clipped": clipped, "insecure": srs.insecure(), "seconds": stages.to_json(),
        });
        Ok(Outcome { json, text })
    }

    /// The commitment of an opening, after a check that it is one.
    fn again(&self, path: &Path) -> Result<Outcome, Failure> {
        let opening = TensorOpening::load(path)?;
        let k = (opening.values().len() + 3).next_power_of_two().ilog2();
        opening.check(&Srs::read_up_to(&self.srs, k)?)?;
        let public = with_ending(&self.output, ".commitment");
        opening.commitment().save(&public)?;
        let text =
            format!("tensorId {}\nwritten  {}\n", hex::encode(opening.commitment().tensor_id()), public.display());
        Ok(Outcome { json: json!({ "ok": true, "tensor": tensor_json(opening.commitment()) }), text })
    }

    /// Runs a chain and commits to what passes between its segments, so that they can be proved in any order.
    fn boundaries(&self, keys: &Path, input: &Input) -> Result<Outcome, Failure> {
        let mut stages = Stages::default();
        let folders = key_folders(keys)?;
        let mut values: Option<Integers> = None;
        let mut tensors = vec![];
        let mut clipped = 0;
        create(&self.output)?;
        for (index, folder) in folders.iter().enumerate().take(folders.len() - 1) {
            let key = ProvingKey::load(&folder.join("proving.key"))?;
            let start = match values.take() {
                Some(values) => values,
                None => input.load_for(&key)?,
            };
            clipped += start.clipped;
            let Model { architecture, weights, .. } = key.model();
            let trace = execute_batch(architecture, weights, &start.values, key.layout().batch)?;
            let output = trace.values[architecture.output].clone();
            let spec = key.verifying_key().io().output.clone();
            let k = (spec.packing.elements + 3).next_power_of_two().ilog2();
            let srs = stages.run("read SRS", || Srs::read_up_to(&self.srs, k))?;
            let opening = stages.run("commit", || TensorOpening::commit(spec, &output, &srs, OsRng))?;
            write_tensor(&self.output.join(format!("boundary-{index}")), &opening)?;
            tensors.push(tensor_json(opening.commitment()));
            values = Some(Integers { values: output, clipped: 0 });
        }
        let text = format!(
            "{} boundaries, openings are secret\n{}written  {}\n{}",
            tensors.len(),
            clipping(clipped),
            self.output.display(),
            stages.to_text()
        );
        Ok(Outcome {
            json: json!({ "ok": true, "boundaries": tensors, "clipped": clipped, "seconds": stages.to_json() }),
            text,
        })
    }

    fn version(&self, model: &Path, keys: &Path) -> Result<Outcome, Failure> {
        let mut stages = Stages::default();
        let earlier = ProvingKey::load(&keys.join("proving.key"))?;
        let model = Model::load(model)?;
        let place = KeyFolder::new(&self.output, false)?;
        let srs = stages.run("read SRS", || Srs::read_up_to(&self.srs, earlier.verifying_key().k()))?;
        let key = stages.run("commit", || recommit(&earlier, &model, &srs, OsRng))?;
        // Keys that prove are worth more than keys that are quick to make.
        stages.run("check", || Prover::new(key.clone(), &srs).map(|_| ()))?;
        let description = place.write(&key, None)?;
        let [old, new] = [&earlier, &key].map(|key| hex::encode(key.verifying_key().model_id()));
        let program = hex::encode(key.verifying_key().program_id());
        let text = format!(
            "modelId   {new}\nbefore    {old}\nprogramId {program} (the same)\nwritten   {}\n{}",
            self.output.display(),
            stages.to_text()
        );
        let json = json!({ "ok": true, "model": description, "previousModelId": old, "seconds": stages.to_json() });
        Ok(Outcome { json, text })
    }
}

/// Writes what is published and what is kept, the secret first.
pub(crate) fn write_tensor(name: &Path, opening: &TensorOpening) -> Result<[PathBuf; 2], Failure> {
    let [public, secret] = [".commitment", ".opening"].map(|ending| with_ending(name, ending));
    opening.save(&secret)?;
    opening.commitment().save(&public)?;
    Ok([public, secret])
}

pub(crate) fn with_ending(name: &Path, ending: &str) -> PathBuf {
    let mut name = name.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// A commitment for programs to read.
pub(crate) fn tensor_json(commitment: &TensorCommitment) -> serde_json::Value {
    let spec = commitment.spec();
    json!({
        "tensorId": hex::encode(commitment.tensor_id()), "commitment": hex::encode(commitment.bytes()),
        "srsId": hex::encode(commitment.srs_id()), "shape": spec.shape,
        "range": [spec.packing.range.lo, spec.packing.range.hi], "scale": spec.scale,
    })
}

/// The tensor at one end of whatever a file describes.
fn described(path: &Path, of_output: bool) -> Result<TensorSpec, Failure> {
    let mut head = vec![0; 64];
    let read = {
        use std::io::Read;
        std::fs::File::open(path)
            .and_then(|mut file| file.read(&mut head))
            .map_err(|e| Failure::Unusable(format!("cannot read {}: {e}", path.display())))?
    };
    head.truncate(read);
    let of_network = |architecture: &inferproof_circuits::network::Architecture, scales: [f64; 2], layout: Layout| {
        let (node, scale) = if of_output { (architecture.output, scales[1]) } else { (0, scales[0]) };
        let node = &architecture.nodes[node];
        TensorSpec::new(layout.tensor_shape(&node.shape), node.range, scale)
    };
    let of_key = |key: &VerifyingKey| if of_output { key.io().output.clone() } else { key.io().input.clone() };
    match identify(&head) {
        Identity::Artefact { kind: Kind::NETWORK, .. } => {
            let model = Model::load(path)?;
            Ok(of_network(&model.architecture, [model.input_scale(), model.output_scale()], Layout::direct(1))?)
        }
        Identity::Artefact { kind: Kind::VERIFYING_KEY, .. } => Ok(of_key(&VerifyingKey::load(path)?)),
        Identity::Artefact { kind: Kind::PROVING_KEY, .. } => Ok(of_key(ProvingKey::load(path)?.verifying_key())),
        Identity::Artefact { kind: Kind::TENSOR_COMMITMENT, .. } => Ok(TensorCommitment::load(path)?.spec().clone()),
        _ if PublicModel::begins(&head) => {
            let model = PublicModel::load(path)?;
            Ok(of_network(&model.architecture, [model.input_scale, model.output_scale], model.layout)?)
        }
        other => Err(Failure::Unusable(format!(
            "{}: this is {other}; give a quantised model, a key, a model.pub or a commitment",
            path.display()
        ))),
    }
}
