//! Which settings to quantise with: the cheapest ones that meet targets, and what one bit more would change.

use super::{
    QuantiseError, QuantiseOptions, Report, Samples, Target, assemble,
    calibrate::{Extent, calibrate},
    plan::Plan,
    report::{Fit, Loss, compare_output, report},
};
use crate::{graph::Graph, model::Model};
use inferproof_circuits::{
    integer::MAX_SHIFT,
    interface::Interface,
    network::{Architecture, execute},
    plan::{Optimise, ProverCosts, plan},
};
use ndarray::ArrayD;
use rayon::prelude::*;
use serde::Serialize;

/// Bits of activations that are tried.
const BITS: std::ops::RangeInclusive<u32> = 4..=16;
/// How far the shift is tried above the bits: by then the rounding of weights is lost in that of activations.
const SHIFT_ABOVE_BITS: u32 = 6;
const _: () = assert!(*BITS.end() + SHIFT_ABOVE_BITS <= MAX_SHIFT);
/// How far the shift is above the bits by default, see [`QuantiseOptions::default`].
const DEFAULT_ABOVE_BITS: u32 = 2;
/// Widths in a row without a better candidate after which a search ends.
const STALE_WIDTHS: usize = 2;

/// Settings that were tried.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Candidate {
    /// As in [`QuantiseOptions`].
    pub activation_bits: u32,
    /// As in [`QuantiseOptions`], or more where a model that comes quantised needs it.
    pub shift: u32,
    /// Against the float network, on the samples that decide; `None` if the network cannot be quantised like this.
    #[serde(flatten)]
    pub fit: Option<Fit>,
    /// What a proof would cost; `None` if none fits, and for most candidates that miss a target, see [`Tuner::search`].
    #[serde(flatten)]
    pub cost: Option<PlannedCost>,
    /// Whether it meets every target there is.
    pub meets_targets: bool,
    /// Whether it was taken.
    pub chosen: bool,
    /// Why there is no fit or no cost.
    pub failure: Option<String>,
}

/// The plan for the fastest prover, [`Optimise::Prover`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PlannedCost {
    /// Logarithm of the rows.
    pub k: u32,
    /// Rows of the program.
    pub rows: usize,
    /// Predicted CPU-seconds of a proof.
    pub prover_seconds: f64,
}

/// Settings that a search leaves as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fixed {
    /// As in [`QuantiseOptions`].
    pub activation_bits: Option<u32>,
    /// As in [`QuantiseOptions`].
    pub shift: Option<u32>,
}

/// What one activation bit more would change.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// The layer that itself loses most, as the model is.
    pub loses_most: Option<Loss>,
    /// The model as it is.
    pub now: Candidate,
    /// With one bit more; the shift rises with it unless it is two above the bits even so. `None` at 16 bits.
    pub finer: Option<Candidate>,
    /// The own SNR of that same layer, in dB, with one bit more.
    pub finer_own_snr_db: Option<f64>,
}

/// Tries settings on one graph.
#[derive(Clone, Copy, Debug)]
pub struct Tuner<'a> {
    /// The float network.
    pub graph: &'a Graph,
    /// The samples it is calibrated on.
    pub samples: &'a Samples,
    /// The samples that decide, if not the same.
    pub validation: Option<&'a Samples>,
    /// All other options. A search ignores their bits and their shift.
    pub options: &'a QuantiseOptions,
    /// What predicts seconds.
    pub machine: ProverCosts,
}

/// The least expensive integer network that meets all `targets` on the samples it is calibrated on, its report, and all
/// settings that were tried, in order. [`Tuner::search`] with nothing fixed.
///
/// # Errors
/// As [`Tuner::search`].
pub fn search(
    graph: &Graph,
    samples: &Samples,
    options: &QuantiseOptions,
    targets: &[Target],
) -> Result<(Model, Report, Vec<Candidate>), QuantiseError> {
    Tuner::new(graph, samples, options).search(targets, Fixed::default(), |_| {})
}

impl<'a> Tuner<'a> {
    /// A tuner that decides on the calibration samples.
    #[must_use]
    pub fn new(graph: &'a Graph, samples: &'a Samples, options: &'a QuantiseOptions) -> Self {
        Self { graph, samples, validation: None, options, machine: ProverCosts::default() }
    }

    /// Searches `activation_bits` from 4 to 16 and, for each, `shift` from the bits to 6 above them (at most 24) for the
    /// least cost of a proof: least `k`, then least rows, then least mean error.
    ///
    /// For each width the least shift that meets all targets is a contender. Cost rises with the width as a rule, so
    /// the search ends after two widths in a row that gave nothing better; the best of all that was tried is taken.
    /// `progress` sees every candidate as it is tried.
    ///
    /// Where a width has no contender, the candidate nearest to the targets is planned as well: what less would cost.
    ///
    /// Cost: two float inferences a sample; for each candidate an integer inference a sample, for each width a plan.
    ///
    /// # Errors
    /// [`QuantiseError::TargetsMissed`] with what was achieved and what limits it, if nothing meets the targets;
    /// [`QuantiseError::Option`] for targets and fixed settings out of range; those of [`quantise`](super::quantise) if
    /// no setting at all can be quantised.
    pub fn search(
        &self,
        targets: &[Target],
        fixed: Fixed,
        mut progress: impl FnMut(&Candidate),
    ) -> Result<(Model, Report, Vec<Candidate>), QuantiseError> {
        if targets.is_empty() {
            let (option, expected) = ("target", "at least one target");
            return Err(QuantiseError::Option { option, expected, got: "none".into() });
        }
        targets.iter().try_for_each(Target::check)?;
        let bench = Bench::new(self, fixed)?;
        let mut tried = Tried { targets, candidates: vec![], best: None, first_error: None };
        let widths = fixed.activation_bits.map_or(BITS, |bits| bits..=bits);
        let mut stale = 0;
        for bits in widths {
            let improved = tried.width(&bench, bits, fixed.shift, &mut progress)?;
            stale = if improved { 0 } else { stale + 1 };
            if tried.best.is_some() && stale == STALE_WIDTHS {
                break;
            }
        }
        let Tried { mut candidates, best, first_error, .. } = tried;
        let Some((index, model)) = best else {
            return Err(bench.missed(targets, fixed, &candidates, first_error));
        };
        candidates[index].chosen = true;
        bench.plan_misses(targets, &mut candidates)?;
        let report = report(&bench.plan, &model, self.judges())?;
        Ok((model, report, candidates))
    }

    /// What one activation bit more would change, for `model` made with this tuner's options and its `report`.
    ///
    /// Cost: one more quantisation and its report, and two plans.
    ///
    /// # Errors
    /// Samples and options that do not fit the graph. That the finer model cannot be made is part of the explanation.
    pub fn explain(&self, model: &Model, report: &Report) -> Result<Explanation, QuantiseError> {
        let (activation_bits, shift) = (self.options.activation_bits, model.architecture.shift);
        let mut now = Candidate::untried(activation_bits, shift);
        (now.chosen, now.meets_targets) = (true, true);
        now.fit = Some(report.fit());
        now.plan(&model.architecture, &self.machine);
        let loses_most = report.loses_most.clone();
        let mut explanation = Explanation { loses_most, now, finer: None, finer_own_snr_db: None };
        let bits = activation_bits + 1;
        if !BITS.contains(&bits) {
            return Ok(explanation);
        }
        let shift = shift.max((shift + 1).min(bits + DEFAULT_ABOVE_BITS));
        let mut finer = Candidate::untried(bits, shift);
        match self.finer(bits, shift) {
            Ok((model, report)) => {
                (finer.fit, finer.shift, finer.meets_targets) = (Some(report.fit()), model.architecture.shift, true);
                finer.plan(&model.architecture, &self.machine);
                let same =
                    |layer: &&super::LayerReport| Some(layer.id) == explanation.loses_most.as_ref().map(|l| l.id);
                explanation.finer_own_snr_db = report.layers.iter().find(same).and_then(|layer| layer.own_snr_db);
            }
            Err(error) if error.is_about_settings() => finer.failure = Some(error.to_string()),
            Err(error) => return Err(error),
        }
        explanation.finer = Some(finer);
        Ok(explanation)
    }

    fn finer(&self, activation_bits: u32, shift: u32) -> Result<(Model, Report), QuantiseError> {
        let plan = Plan::new(self.graph)?;
        let extents = calibrate(&plan.graph, self.samples, self.options.clip.is_some())?;
        let model = assemble(&plan, &extents, &QuantiseOptions { activation_bits, shift, ..self.options.clone() })?;
        let report = report(&plan, &model, self.judges())?;
        Ok((model, report))
    }

    fn judges(&self) -> &'a Samples {
        self.validation.unwrap_or(self.samples)
    }
}

impl Candidate {
    const fn untried(activation_bits: u32, shift: u32) -> Self {
        let (fit, cost, failure) = (None, None, None);
        Self { activation_bits, shift, fit, cost, meets_targets: false, chosen: false, failure }
    }

    /// Adds what a proof would cost.
    fn plan(&mut self, architecture: &Architecture, machine: &ProverCosts) {
        match plan(architecture, Interface::default(), Optimise::Prover) {
            Ok((_, costs)) => {
                let planned = costs.into_iter().next().map(|cost| cost.on(machine));
                self.cost = planned.map(|c| PlannedCost { k: c.k, rows: c.rows, prover_seconds: c.prover_seconds });
            }
            Err(error) => self.failure = Some(error.to_string()),
        }
    }

    /// Cheaper, or as cheap and more exact.
    fn is_better_than(&self, other: &Self) -> bool {
        // Times are whole multiples of one per row, so equal ones compare equal.
        let rank = |candidate: &Self| candidate.cost.map(|cost| (cost.prover_seconds, cost.rows));
        let error = |candidate: &Self| candidate.fit.map_or(f64::INFINITY, |fit| fit.mean_abs_error);
        match (rank(self), rank(other)) {
            (Some(own), Some(others)) => own < others || (own == others && error(self) < error(other)),
            (own, _) => own.is_some(),
        }
    }
}

/// What a search has seen.
struct Tried<'t> {
    targets: &'t [Target],
    candidates: Vec<Candidate>,
    /// Position of the best candidate, and its model.
    best: Option<(usize, Model)>,
    first_error: Option<QuantiseError>,
}

impl Tried<'_> {
    /// Tries one width with rising shifts, up to the first that meets the targets; whether that is the best so far.
    fn width(
        &mut self,
        bench: &Bench,
        bits: u32,
        shift: Option<u32>,
        progress: &mut impl FnMut(&Candidate),
    ) -> Result<bool, QuantiseError> {
        for shift in shift.map_or(bits..=bits + SHIFT_ABOVE_BITS, |shift| shift..=shift) {
            let mut candidate = Candidate::untried(bits, shift);
            let model = match bench.model(bits, shift) {
                Ok(model) => model,
                Err(error) if error.is_about_settings() => {
                    candidate.failure = Some(error.to_string());
                    self.first_error.get_or_insert(error);
                    progress(&candidate);
                    self.candidates.push(candidate);
                    continue;
                }
                Err(error) => return Err(error),
            };
            // Models that come quantised may need more than was asked for.
            candidate.shift = model.architecture.shift;
            if self.candidates.iter().any(|c| (c.activation_bits, c.shift) == (bits, candidate.shift)) {
                continue;
            }
            let fit = bench.fit(&model)?;
            let meets = self.targets.iter().all(|target| target.is_met(&fit));
            (candidate.fit, candidate.meets_targets) = (Some(fit), meets);
            if meets {
                candidate.plan(&model.architecture, &bench.tuner.machine);
            }
            progress(&candidate);
            let best = self.best.as_ref().map(|(index, _)| &self.candidates[*index]);
            let improves = meets && candidate.cost.is_some() && best.is_none_or(|best| candidate.is_better_than(best));
            if improves {
                self.best = Some((self.candidates.len(), model));
            }
            self.candidates.push(candidate);
            // Nor would a larger shift be planned where this one is not: it only adds rows.
            if meets {
                return Ok(improves);
            }
        }
        Ok(false)
    }
}

/// What all candidates share.
struct Bench<'a> {
    tuner: &'a Tuner<'a>,
    plan: Plan,
    extents: Vec<Extent>,
    /// The float network's output for each sample that decides.
    expected: Vec<ArrayD<f32>>,
}

impl<'a> Bench<'a> {
    fn new(tuner: &'a Tuner<'a>, fixed: Fixed) -> Result<Self, QuantiseError> {
        let defaults = QuantiseOptions::default();
        let options = QuantiseOptions {
            activation_bits: fixed.activation_bits.unwrap_or(defaults.activation_bits),
            shift: fixed.shift.unwrap_or(defaults.shift),
            ..tuner.options.clone()
        };
        options.check()?;
        let plan = Plan::new(tuner.graph)?;
        let extents = calibrate(&plan.graph, tuner.samples, options.clip.is_some())?;
        let output = |input| Ok(plan.graph.run_f32(input)?.swap_remove(plan.graph.output));
        let expected: Result<Vec<_>, QuantiseError> = tuner.judges().inputs().par_iter().map(output).collect();
        let expected = expected?;
        Ok(Self { tuner, plan, extents, expected })
    }

    fn model(&self, activation_bits: u32, shift: u32) -> Result<Model, QuantiseError> {
        assemble(&self.plan, &self.extents, &QuantiseOptions { activation_bits, shift, ..self.tuner.options.clone() })
    }

    /// The same as in a report, without the layers.
    fn fit(&self, model: &Model) -> Result<Fit, QuantiseError> {
        let architecture = &model.architecture;
        let compare = |(input, expected): (&ArrayD<f32>, &ArrayD<f32>)| {
            let trace = execute(architecture, &model.weights, &model.quantise_input(input)?)?;
            Ok(compare_output(model, expected, &trace.values[architecture.output]))
        };
        let inputs = self.tuner.judges().inputs();
        let compared: Result<Vec<_>, QuantiseError> = inputs.par_iter().zip(&self.expected).map(compare).collect();
        let compared = compared?;
        Ok(Fit::of(compared.iter().copied(), architecture.nodes[architecture.output].len()))
    }

    /// Plans the nearest candidate of every width that has none that meets the targets.
    fn plan_misses(&self, targets: &[Target], candidates: &mut [Candidate]) -> Result<(), QuantiseError> {
        for width in candidates.chunk_by_mut(|a, b| a.activation_bits == b.activation_bits) {
            if width.iter().any(|candidate| candidate.meets_targets) {
                continue;
            }
            if let Some((index, _)) = nearest(targets, width) {
                let candidate = &mut width[index];
                let model = self.model(candidate.activation_bits, candidate.shift)?;
                candidate.plan(&model.architecture, &self.tuner.machine);
            }
        }
        Ok(())
    }

    /// Why a search found nothing: the candidate nearest to the targets, and what limits it.
    fn missed(
        &self,
        targets: &[Target],
        fixed: Fixed,
        candidates: &[Candidate],
        first_error: Option<QuantiseError>,
    ) -> QuantiseError {
        let list = |text: &dyn Fn(&Target) -> String| targets.iter().map(text).collect::<Vec<_>>().join(", ");
        let Some((nearest, fit)) = nearest(targets, candidates) else {
            let empty = QuantiseError::Option { option: "bits", expected: "4 to 16", got: "none".into() };
            return first_error.unwrap_or(empty);
        };
        let Candidate { activation_bits, shift, ref failure, .. } = candidates[nearest];
        let limits = match failure {
            Some(failure) => format!("it has no proof: {failure}"),
            None => self.limits(activation_bits, shift).unwrap_or_else(|error| error.to_string()),
        };
        QuantiseError::TargetsMissed {
            targets: list(&Target::to_string),
            tried: candidates.len(),
            activation_bits,
            shift,
            got: list(&|target| target.achieved(&fit)),
            limits,
            remedy: if fixed == Fixed::default() {
                "ask for less"
            } else {
                "ask for less, or fix neither bits nor shift"
            },
        }
    }

    /// What keeps a model from being more exact.
    fn limits(&self, activation_bits: u32, shift: u32) -> Result<String, QuantiseError> {
        let model = self.model(activation_bits, shift)?;
        let report = report(&self.plan, &model, self.tuner.judges())?;
        let mut limits = match &report.loses_most {
            Some(loss) => format!("layer `{}` loses most (own SNR {:.2} dB)", loss.node, loss.own_snr_db),
            None => "no layer has a loss of its own".into(),
        };
        let cut = report.tensors.iter().filter(|tensor| tensor.saturated > 0);
        if let Some(tensor) = cut.max_by(|a, b| a.saturated_fraction.total_cmp(&b.saturated_fraction)) {
            let percent = 100.0 * tensor.saturated_fraction;
            let advice = "calibrate on samples that cover it";
            limits += &format!("; {percent:.3} % of `{}` is cut off: {advice}", tensor.node);
        }
        Ok(limits)
    }
}

/// The candidate that is nearest to the targets, the first of equals, and its fit.
fn nearest(targets: &[Target], candidates: &[Candidate]) -> Option<(usize, Fit)> {
    let distance = |fit: &Fit| targets.iter().map(|target| target.shortfall(fit)).sum::<f64>();
    let fitted = candidates.iter().enumerate().filter_map(|(index, candidate)| Some((index, candidate.fit?)));
    fitted.reduce(|best, next| if distance(&next.1) < distance(&best.1) { next } else { best })
}
