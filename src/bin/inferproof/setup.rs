//! `inferproof setup`.

use crate::Outcome;
use crate::failure::Failure;
use crate::inputs::InterfaceArguments;
use crate::preflight::{GAS_SOURCE, charged, cost_table, plans};
use crate::progress::Stages;
use crate::segments::{create, key_folder, no_more_than, segment_files};
use clap::{Args, ValueEnum};
use inferproof::artefact::{Kind, check_replaceable, replace_file};
use inferproof::chain::{chain_id, interfaces};
use inferproof::commitment::WeightVisibility;
use inferproof::keys::{ProvingKey, PublicModel, SetupOptions, VerifyingKey, planned, setup};
use inferproof::model::Model;
use inferproof::srs::Srs;
use inferproof_circuits::interface::Interface;
use inferproof_circuits::machine::Shape;
use inferproof_circuits::plan::{Cost, Optimise};
use inferproof_circuits::program::Layout;
use rand_core::OsRng;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

#[derive(Clone, Copy, ValueEnum)]
enum Weights {
    Secret,
    Public,
}

#[derive(Clone, Copy, ValueEnum)]
enum Goal {
    Prover,
    Gas,
    Memory,
}

/// Arguments of `setup`.
#[derive(Args)]
pub(crate) struct Setup {
    /// Quantised model (.ifq), or the folder that split wrote.
    model: PathBuf,
    /// Only this segment's keys, in the folder segment-I of the output.
    #[arg(long, value_name = "I")]
    segment: Option<usize>,
    /// Structured reference string.
    #[arg(long)]
    srs: PathBuf,
    /// Folder for proving.key (secret), verifying.key, model.pub, model.json.
    #[arg(short, long)]
    output: PathBuf,
    /// Replace keys that are in the folder: there will be no more proofs under their modelId.
    #[arg(long)]
    replace: bool,
    /// Whether the weights stay secret.
    #[arg(long, value_enum, default_value = "secret")]
    weights: Weights,
    /// What the circuit is planned for.
    #[arg(long, value_enum, default_value = "prover")]
    optimise: Goal,
    /// The shape of the machine that is planned for: each has a verifier contract of its own. Any, but for segments, which one contract verifies
    /// together: those are planned for `single`.
    #[arg(long, value_enum, conflicts_with = "layout")]
    shape: Option<ShapeName>,
    /// A plan of those that inspect lists instead, by its layout: weight lanes, the bits of a limb if it has limbs, `flat` if only dense layers have,
    /// and `paired` if it is of that shape (64, 64:5, 64:5:flat, 64:paired, 64:5:flat:paired).
    #[arg(long, conflicts_with = "optimise", value_name = "LANES[:LIMB[:flat]][:paired]")]
    layout: Option<Layout>,
    #[command(flatten)]
    interface: InterfaceArguments,
}

/// Shapes by name.
#[derive(Clone, Copy, ValueEnum)]
enum ShapeName {
    Single,
    Paired,
}

impl Setup {
    pub(crate) fn run(&self) -> Result<Outcome, Failure> {
        let mut stages = Stages::default();
        if !self.model.is_dir() {
            if self.segment.is_some() {
                return Err(Failure::Unusable("--segment is for a folder that split wrote".into()));
            }
            let shape = self.shape();
            let (json, text) = self.keys(&self.model, self.interface.interface(), shape, &self.output, &mut stages)?;
            return Ok(Outcome { json: with(json, "seconds", stages.to_json()), text: text + &stages.to_text() });
        }
        let files = segment_files(&self.model)?;
        no_more_than(&key_folder(&self.output, files.len()))?;
        let interfaces = interfaces(self.interface.interface(), files.len());
        let (mut segments, mut text) = (vec![], String::new());
        for (index, (file, interface)) in files.iter().zip(interfaces).enumerate() {
            if self.segment.is_some_and(|only| only != index) {
                continue;
            }
            let shape = self.shape().or(Some(Shape::Single));
            let (json, lines) = self.keys(file, interface, shape, &key_folder(&self.output, index), &mut stages)?;
            text += &format!("segment {index}\n{lines}");
            segments.push(json);
        }
        if segments.is_empty() {
            return Err(Failure::Unusable(format!("there are segments 0 to {}", files.len() - 1)));
        }
        let mut json = json!({ "ok": true, "segments": segments, "seconds": stages.to_json() });
        // Jobs that make one segment's keys each do not know when they are all there.
        if self.segment.is_none() {
            let ids = (0..files.len()).map(|index| {
                VerifyingKey::load(&key_folder(&self.output, index).join("verifying.key")).map(|key| key.model_id())
            });
            let id = hex::encode(chain_id(&ids.collect::<Result<Vec<_>, _>>()?));
            text += &format!("chainId  {id}\n");
            json = with(json, "chainId", json!(id));
        }
        Ok(Outcome { json, text: text + &stages.to_text() })
    }

    fn shape(&self) -> Option<Shape> {
        self.shape.map(|name| match name {
            ShapeName::Single => Shape::Single,
            ShapeName::Paired => Shape::Paired,
        })
    }

    /// Makes the keys of one model.
    fn keys(
        &self,
        model: &Path,
        interface: Interface,
        shape: Option<Shape>,
        output: &Path,
        stages: &mut Stages,
    ) -> Result<(Value, String), Failure> {
        let model = Model::load(model)?;
        let place = KeyFolder::new(output, self.replace)?;
        let options = SetupOptions {
            visibility: match self.weights {
                Weights::Secret => WeightVisibility::Secret,
                Weights::Public => WeightVisibility::Public,
            },
            interface,
            optimise: match self.optimise {
                Goal::Prover => Optimise::Prover,
                Goal::Gas => Optimise::Gas,
                Goal::Memory => Optimise::Memory,
            },
            shape,
            layout: self.layout.map(|layout| Layout { batch: self.interface.batch(), ..layout }),
            batch: self.interface.batch(),
        };
        let (program, costs) = stages.run("plan", || planned(&model.architecture, &options))?;
        let srs = stages.run("read SRS", || Srs::read_up_to(&self.srs, program.k))?;
        let options = SetupOptions { layout: Some(program.layout), ..options };
        let (key, _) = stages.run("setup", || setup(&model, &srs, &options, OsRng))?;
        let costs = charged(&model.architecture, interface, options.visibility, costs)?;
        let description = place.write(&key, costs.first())?;
        let verifying = key.verifying_key();
        let mut text = format!("modelId  {}\n", hex::encode(verifying.model_id()));
        if verifying.insecure() {
            text += "INSECURE: the SRS is for development only\n";
        }
        text += &format!(
            "plans, the first is taken; gas {GAS_SOURCE}\n{}written  {}\n",
            cost_table(&costs),
            output.display()
        );
        Ok((json!({ "ok": true, "model": description, "plans": plans(&costs) }), text))
    }
}

fn with(mut object: Value, key: &str, value: Value) -> Value {
    object[key] = value;
    object
}

/// Where the four files of a model's keys go.
pub(crate) struct KeyFolder<'a> {
    path: &'a Path,
    replace: bool,
    /// Whether it was made for them.
    new: bool,
}

impl Drop for KeyFolder<'_> {
    /// Work that fails leaves no empty folder. One that is not empty stays.
    fn drop(&mut self) {
        if self.new {
            let _ = std::fs::remove_dir(self.path);
        }
    }
}

impl<'a> KeyFolder<'a> {
    /// Makes the folder and sees that keys can be written to it, before there are any.
    pub(crate) fn new(path: &'a Path, replace: bool) -> Result<Self, Failure> {
        let key = path.join("proving.key");
        if key.exists() && !replace {
            let message = "is there already, and no other key makes proofs under its modelId: use another folder, or setup --replace";
            return Err(Failure::Unusable(format!("{} {message}", key.display())));
        }
        let new = !path.exists();
        create(path)?;
        let folder = Self { path, replace, new };
        check_replaceable(&key, Some(Kind::PROVING_KEY))?;
        Ok(folder)
    }

    /// Writes the files; returns what `model.json` says.
    pub(crate) fn write(&self, key: &ProvingKey, cost: Option<&Cost>) -> Result<Value, Failure> {
        let verifying = key.verifying_key();
        let description = json!({
            "format": "inferproof/model", "version": 1,
            "modelId": hex::encode(verifying.model_id()), "programId": hex::encode(verifying.program_id()),
            "weightsId": hex::encode(verifying.weights_id()), "srsId": hex::encode(verifying.srs_id()),
            "insecure": verifying.insecure(), "weights": verifying.weights().visibility, "seen": verifying.io().interface,
            "k": verifying.k(), "lanes": verifying.weights().points.len(), "cost": cost,
        });
        let file = |name| self.path.join(name);
        if self.replace {
            key.replace(&file("proving.key"))?;
        } else {
            key.save(&file("proving.key"))?;
        }
        verifying.save(&file("verifying.key"))?;
        PublicModel::of(key).save(&file("model.pub"))?;
        replace_file(&file("model.json"), &[&serde_json::to_vec_pretty(&description)?], false)?;
        Ok(description)
    }
}
