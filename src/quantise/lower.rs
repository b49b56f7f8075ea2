//! From a plan and ranges to scales and integers.

use super::{
    QuantiseOptions,
    calibrate::Extent,
    classes::Classes,
    error::QuantiseError,
    exact::{Exact, MAX_PAIRS, Unsolved},
    plan::{Affine, Fill, Plan, PlanFunction, PlanNode, PlanOp, PlanTerm},
};
use crate::model::Model;
use inferproof_circuits::{
    formula::{Formula, Real},
    integer::{Activation, Function, Interval, MAX_SHIFT},
    network::{Architecture, LayerWeights, Node, Op, Term, Weights, affine_quotients, published_interval},
};
use std::collections::BTreeMap;

/// log2 of the greatest weight and public factor.
const MAX_WEIGHT_BITS: u32 = 31;
/// log2 of the greatest bias: that of a weight times the largest activation.
const MAX_BIAS_BITS: u32 = MAX_WEIGHT_BITS + 16;
/// Most integers in a published quotient interval.
const MAX_QUOTIENTS: u64 = 1 << 24;
/// Bits by which the argument of a table is finer than its value.
const ARGUMENT_BITS: u32 = 2;
/// Those of a function that is steep near 0.
const STEEP_BITS: u32 = 4;
/// Most bits of a table's argument.
const MAX_ARGUMENT_BITS: u32 = 16;

/// The integer network of a plan.
pub(super) struct Lowered {
    pub architecture: Architecture,
    pub weights: Weights,
    pub scales: Vec<f64>,
}

/// Chooses a scale for every tensor, or takes that of an earlier model, and rounds every weight.
pub(super) fn lower(
    plan: &Plan,
    extents: &[Extent],
    options: &QuantiseOptions,
    earlier: Option<&Model>,
) -> Result<Lowered, QuantiseError> {
    let architecture = Architecture { shift: options.shift, nodes: vec![], output: plan.output };
    let lowered = Lowered { architecture, weights: Weights { layers: BTreeMap::new() }, scales: vec![] };
    let mut classes = Classes::new(plan, extents, options)?;
    if let Some(earlier) = earlier {
        if earlier.architecture.nodes.len() != plan.nodes.len() {
            return Err(QuantiseError::OtherNetwork { node: "-".into(), what: "number of nodes" });
        }
        for (id, (node, scale)) in earlier.architecture.nodes.iter().zip(&earlier.tensor_scales).enumerate() {
            classes.impose(id, node.range, *scale);
        }
    }
    let mut lowering = Lowering { extents, options, earlier, classes, lowered };
    for node in &plan.nodes {
        lowering.push(node)?;
    }
    let lowered = lowering.lowered;
    lowered.architecture.validate()?;
    lowered.architecture.validate_weights(&lowered.weights)?;
    Ok(lowered)
}

struct Lowering<'a> {
    extents: &'a [Extent],
    options: &'a QuantiseOptions,
    earlier: Option<&'a Model>,
    classes: Classes,
    lowered: Lowered,
}

/// A function with the scale of its argument.
struct Table {
    function: Function,
    /// Where the function's value saturates, if before the end of the tensor's range.
    range: Interval,
    /// Integers in one real unit of the quotient.
    scale: f64,
}

impl Lowering<'_> {
    fn push(&mut self, node: &PlanNode) -> Result<(), QuantiseError> {
        let id = self.lowered.scales.len();
        match &node.op {
            PlanOp::Input => {
                let (range, scale) = self.classes.decided(id);
                self.push_node(node, scale, range, Op::Input);
            }
            PlanOp::Affine(affine) => self.push_affine(node, affine)?,
            PlanOp::BeforeMax { input, maximum } => {
                let op = Op::BeforeMax { input: *input, maximum: *maximum };
                self.push_node(node, 1.0, Interval::new(0, 1), op);
            }
            PlanOp::MaxPool { input, kernel } => {
                self.push_view(node, Op::MaxPool { input: *input, kernel: *kernel });
            }
            PlanOp::Reshape { input } => self.push_view(node, Op::Reshape { input: *input }),
            PlanOp::Transpose { input, permutation } => {
                self.push_view(node, Op::Transpose { input: *input, permutation: permutation.clone() });
            }
            PlanOp::Take { input, axis, indices, fill } => {
                let fill = self.fill(*input, *fill);
                self.push_view(node, Op::Take { input: *input, axis: *axis, indices: indices.clone(), fill });
            }
            PlanOp::Concat { inputs, axis } => {
                self.push_view(node, Op::Concat { inputs: inputs.clone(), axis: *axis });
            }
        }
        Ok(())
    }

    fn push_node(&mut self, node: &PlanNode, scale: f64, range: Interval, op: Op) {
        self.lowered.scales.push(scale);
        self.lowered.architecture.nodes.push(Node { name: node.name.clone(), shape: node.shape.clone(), range, op });
    }

    /// Nodes that only select or move elements keep scale and range.
    fn push_view(&mut self, node: &PlanNode, op: Op) {
        let input = op.inputs()[0];
        let (scale, range) = (self.lowered.scales[input], self.lowered.architecture.nodes[input].range);
        self.push_node(node, scale, range, op);
    }

    /// The integer that stands where a moved tensor has no element.
    fn fill(&self, input: usize, fill: Fill) -> i64 {
        let (scale, range) = (self.lowered.scales[input], self.lowered.architecture.nodes[input].range);
        match fill {
            Fill::Least => range.lo,
            Fill::Value(value) => ((f64::from(value) * scale).round() as i64).clamp(range.lo, range.hi),
        }
    }

    fn push_affine(&mut self, node: &PlanNode, affine: &Affine) -> Result<(), QuantiseError> {
        let id = self.lowered.scales.len();
        let exact = match affine.function {
            PlanFunction::Formula { .. } => None,
            _ => self.unit(affine),
        };
        let (range, scale) = self.classes.decide(id, exact).map_err(|got| self.vanishes(node, got))?;
        // What is quantised saturates where the model says, also in a class that has one integer more.
        let own = node.grid.filter(|_| self.classes.step(id).is_some()).map_or(range, |grid| grid.range);
        let Table { function, range: saturation, scale: quotient_scale } = self.table(node, affine, own, scale)?;
        let (mut terms, layer) = match self.exact_layer(node, id, affine, saturation)? {
            Some(exact) => exact,
            None => self.layer(node, affine, quotient_scale)?,
        };
        if let PlanFunction::Drop = affine.function {
            drop_below(&mut terms, (range.len() as i64) << self.options.shift);
        }
        // The bound needs the node in place, and the node its published interval.
        let activation = Activation { function, range: saturation };
        let op = Op::Affine { terms, activation, quotient: Interval::new(0, 0) };
        self.push_node(node, scale, range, op);
        let needed = affine_quotients(&self.lowered.architecture, id, &layer)?;
        if let Some(published) = self.published(id).filter(|published| !published.covers(&needed)) {
            let Interval { lo, hi } = published_interval(needed);
            let (node, published) = (node.name.clone(), (published.lo, published.hi));
            return Err(QuantiseError::Outgrown { node, lo, hi, published });
        }
        let wider = |end: i64| end.saturating_mul(1 << self.options.headroom);
        let bound = published_interval(Interval::new(wider(needed.lo), wider(needed.hi)));
        if bound.len() > MAX_QUOTIENTS {
            let (lo, hi, entries) = (bound.lo, bound.hi, bound.len());
            return Err(QuantiseError::WideQuotients {
                node: node.name.clone(),
                lo,
                hi,
                entries,
                limit: MAX_QUOTIENTS,
            });
        }
        if let Op::Affine { quotient, .. } = &mut self.lowered.architecture.nodes[id].op {
            *quotient = bound;
        }
        self.lowered.weights.layers.insert(id, layer);
        Ok(())
    }

    /// What the earlier model publishes of a layer's quotients.
    fn published(&self, id: usize) -> Option<Interval> {
        match self.earlier?.architecture.nodes[id].op {
            Op::Affine { quotient, .. } => Some(quotient),
            _ => None,
        }
    }

    /// The table of an earlier model's layer, if it has one by a formula.
    fn earlier_table(&self, id: usize) -> Option<Table> {
        let Op::Affine { activation: Activation { function, range }, .. } = self.earlier?.architecture.nodes[id].op
        else {
            return None;
        };
        let Function::Formula { from, .. } = function else { return None };
        Some(Table { function, range, scale: from.0 })
    }

    /// The function of a layer whose result has this range and scale.
    fn table(&self, node: &PlanNode, affine: &Affine, range: Interval, scale: f64) -> Result<Table, QuantiseError> {
        match affine.function {
            PlanFunction::Identity | PlanFunction::Drop | PlanFunction::Restep { .. } => {
                Ok(Table { function: Function::Identity, range, scale })
            }
            PlanFunction::Relu => Ok(Table { function: Function::Relu, range, scale }),
            PlanFunction::Clip { lo, hi } => {
                let end = |bound: f64| {
                    // As ONNX quantises the bound, if it does.
                    let quantised = || (bound as f32 / (1.0 / scale) as f32).round_ties_even();
                    let integer = if node.grid.is_some() { f64::from(quantised()) } else { (bound * scale).round() };
                    (integer as i64).clamp(range.lo, range.hi)
                };
                let range = Interval::new(end(lo), end(hi));
                // The same function either way; layers share a table where they name it alike.
                let function = if range.lo == 0 { Function::Relu } else { Function::Identity };
                Ok(Table { function, range, scale })
            }
            PlanFunction::Formula { formula, argument } => {
                if let Some(table) = self.earlier_table(self.lowered.scales.len()) {
                    return Ok(table);
                }
                let (from, domain) = self.argument(node, affine, formula, &self.extents[argument])?;
                let function = Function::Formula { formula, from: Real(from), to: Real(scale), domain };
                let activation = Activation { function, range };
                if !activation.is_sound() {
                    return Err(QuantiseError::Unsupported {
                        node: node.name.clone(),
                        operator: formula.name(),
                        expected: "an argument at which the function is finite".into(),
                        got: format!("arguments from {} to {}", domain.lo as f64 / from, domain.hi as f64 / from),
                        remedy: "keep the argument away from where the function is infinite, by a Clip for instance",
                    });
                }
                Ok(Table { function, range, scale: from })
            }
        }
    }

    /// Scale and domain of a table's argument.
    fn argument(
        &self,
        node: &PlanNode,
        affine: &Affine,
        formula: Formula,
        extent: &Extent,
    ) -> Result<(f64, Interval), QuantiseError> {
        let natural = natural_domain(formula, extent);
        // Sums of tensors of one scale need no rounding: a quotient is the sum itself.
        if let Some((scale, sum)) = self.exact_sum(affine) {
            let domain = Interval::new(sum.lo.max(natural.lo), sum.hi.min(natural.hi));
            if (1..=1 << MAX_ARGUMENT_BITS).contains(&domain.len()) {
                return Ok((scale, domain));
            }
        }
        let steep = matches!(formula, Formula::Log | Formula::Reciprocal | Formula::Sqrt);
        let bits = self.options.activation_bits + if steep { STEEP_BITS } else { ARGUMENT_BITS };
        let (half, whole) = (1i64 << (bits.min(MAX_ARGUMENT_BITS) - 1), 1i64 << bits.min(MAX_ARGUMENT_BITS));
        let domain = match natural {
            Interval { lo: 0.., .. } => Interval::new(natural.lo, whole - 1),
            Interval { hi: ..=-1, .. } => Interval::new(1 - whole, natural.hi),
            _ => Interval::new(-half, half - 1),
        };
        let scale = scale(domain.lo.abs().max(domain.hi) as f64, extent.magnitude());
        match self.unit(affine) {
            None => Ok((scale, domain)),
            Some(unit) if scale < unit => Err(self.vanishes(node, scale / unit)),
            Some(unit) => Ok(((scale / unit).floor() * unit, domain)),
        }
    }

    /// The common scale of a layer's operands and the range of their sum, if that is all the layer computes.
    fn exact_sum(&self, affine: &Affine) -> Option<(f64, Interval)> {
        let mut sum = Interval::new(0, 0);
        let mut common = None;
        for term in &affine.terms {
            let PlanTerm::Scale { input, negative } = *term else { return None };
            let scale = self.lowered.scales[input];
            if *common.get_or_insert(scale) != scale {
                return None;
            }
            let Interval { lo, hi } = self.lowered.architecture.nodes[input].range;
            let (lo, hi) = if negative { (-hi, -lo) } else { (lo, hi) };
            sum = Interval::new(sum.lo + lo, sum.hi + hi);
        }
        let no_bias = affine.bias.iter().all(|&bias| bias == 0.0);
        common.filter(|_| no_bias).map(|scale| (scale, sum))
    }

    /// The scale of a result at which the factor of a layer's only term is 1, if that term has a public factor. At a
    /// multiple of it the factor is an integer and is not rounded at all, where a rounded factor of a large pool would
    /// be off by percents.
    fn unit(&self, affine: &Affine) -> Option<f64> {
        let one = (1u64 << self.options.shift) as f64;
        let scales = &self.lowered.scales;
        match affine.terms[..] {
            [PlanTerm::Scale { input, .. }] => Some(scales[input] / one),
            [PlanTerm::SumPool { input, divisor, .. }] => Some(scales[input] * divisor.abs() / one),
            [PlanTerm::Product { left, right }] => Some(scales[left] * scales[right] / one),
            _ => None,
        }
    }

    /// Terms and integers of a layer whose operands and result come quantised, if it rounds exactly as the model does.
    ///
    /// `range` is where the result saturates. `None` for a layer that is no function of one exact integer sum.
    fn exact_layer(
        &self,
        node: &PlanNode,
        id: usize,
        affine: &Affine,
        range: Interval,
    ) -> Result<Option<(Vec<Term>, LayerWeights)>, QuantiseError> {
        let step = |id: usize| self.classes.step(id);
        let (Some(result), shift) = (step(id), self.options.shift) else { return Ok(None) };
        if let (PlanFunction::Restep { shift: added }, [PlanTerm::Scale { input, .. }]) =
            (&affine.function, &affine.terms[..])
        {
            let terms = vec![Term::Scale { input: *input, factor: 1 << shift }];
            let bias = vec![added << shift; affine.bias.len()];
            return Ok(Some((terms, LayerWeights { terms: vec![vec![]], bias })));
        }
        let operands: Option<Vec<f64>> = affine.inputs().map(step).collect();
        let Some(operands) = operands.filter(|operands| affine.is_exact_form(operands)) else { return Ok(None) };
        let ranges: Vec<Interval> = affine.inputs().map(|id| self.lowered.architecture.nodes[id].range).collect();
        let problem = Exact { range, result, operands: &operands, ranges: &ranges, channels: affine.bias.len() };
        let solve = |shift: u32| problem.solve(&affine.terms, shift);
        match solve(shift) {
            Ok(layer) => Ok(Some(layer)),
            Err(Unsolved::Pairs(pairs)) => Err(QuantiseError::Unsupported {
                node: node.name.clone(),
                operator: "QuantizeLinear",
                expected: format!("a sum of two tensors with at most {MAX_PAIRS} pairs of integers"),
                got: format!("{pairs} pairs"),
                remedy: "quantise one of the operands to 8 bits",
            }),
            Err(Unsolved::Shift) => {
                let needed = (shift + 1..=MAX_SHIFT).find(|shift| solve(*shift).is_ok());
                Err(QuantiseError::Inexact { node: node.name.clone(), shift, needed })
            }
        }
    }

    fn vanishes(&self, node: &PlanNode, got: f64) -> QuantiseError {
        QuantiseError::FactorVanishes { node: node.name.clone(), shift: self.options.shift, got }
    }

    /// Integer terms, weights and bias for quotients of scale `scale`.
    fn layer(&self, node: &PlanNode, affine: &Affine, scale: f64) -> Result<(Vec<Term>, LayerWeights), QuantiseError> {
        let one = (1u64 << self.options.shift) as f64;
        let mut terms = vec![];
        let mut matrices = vec![];
        for term in &affine.terms {
            let operands: f64 = term.inputs().iter().map(|&input| self.lowered.scales[input]).product();
            let (term, matrix) = integer_term(node, term, scale / operands * one)?;
            terms.push(term);
            matrices.push(matrix);
        }
        let mut sums = affine.bias.clone();
        for term in &affine.terms {
            if let PlanTerm::IntegerConv(conv) = term {
                sums.iter_mut()
                    .zip(conv.bias.iter().zip(&conv.steps))
                    .for_each(|(sum, (&b, step))| *sum += b as f64 * step);
            }
        }
        let bias: Result<_, _> = sums.iter().map(|&b| round(node, "bias", MAX_BIAS_BITS, b * scale * one)).collect();
        Ok((terms, LayerWeights { terms: matrices, bias: bias? }))
    }
}

/// Where a function is defined, as far as samples decide it.
fn natural_domain(formula: Formula, extent: &Extent) -> Interval {
    let far = 1 << 40;
    match formula {
        Formula::Log => Interval::new(1, far),
        Formula::Sqrt => Interval::new(0, far),
        Formula::Reciprocal if extent.min > 0.0 => Interval::new(1, far),
        Formula::Reciprocal if extent.max < 0.0 => Interval::new(-far, -1),
        _ => Interval::new(-far, far),
    }
}

/// Bits weigh as much as the whole range: what they select leaves it at the lower end.
fn drop_below(terms: &mut [Term], weight: i64) {
    for term in &mut terms[1..] {
        if let Term::Scale { factor, .. } = term {
            *factor = weight * factor.signum();
        }
    }
}

/// A term and its weights; `ratio` is `2^shift` times the scale of the result over that of the operands.
fn integer_term(node: &PlanNode, term: &PlanTerm, ratio: f64) -> Result<(Term, Vec<i64>), QuantiseError> {
    let weights = |weights: &[f64]| -> Result<Vec<i64>, QuantiseError> {
        weights.iter().map(|&w| round(node, "weight", MAX_WEIGHT_BITS, w * ratio)).collect()
    };
    // A factor of 0 would drop the operand; 1 is off by no more than a unit, where rounding may be off by half of one.
    let factor = |value: f64| {
        let magnitude = round(node, "factor", MAX_WEIGHT_BITS, value.abs()).map(|factor| factor.max(1));
        magnitude.map(|magnitude| if value < 0.0 { -magnitude } else { magnitude })
    };
    Ok(match *term {
        PlanTerm::Dense { input, weights: ref w } => (Term::Dense { input }, weights(w)?),
        PlanTerm::IntegerConv(ref conv) => {
            let steps = conv.steps.iter().map(|step| step / conv.operand_step);
            let row = conv.weights.len() / conv.steps.len();
            let real =
                conv.weights.chunks(row).zip(steps).flat_map(|(row, step)| row.iter().map(move |&w| w as f64 * step));
            let real: Vec<f64> = real.collect();
            (Term::Conv { input: conv.input, window: conv.window, groups: conv.groups }, weights(&real)?)
        }
        PlanTerm::Conv { input, weights: ref w, window, groups } => (Term::Conv { input, window, groups }, weights(w)?),
        PlanTerm::Scale { input, negative } => {
            (Term::Scale { input, factor: factor(if negative { -ratio } else { ratio })? }, vec![])
        }
        PlanTerm::SumPool { input, window, divisor } => {
            (Term::SumPool { input, window, factor: factor(ratio / divisor)? }, vec![])
        }
        PlanTerm::Product { left, right } => (Term::Product { left, right, factor: factor(ratio)? }, vec![]),
    })
}

/// The nearest integer, halves away from zero, if its magnitude is at most `2^limit`.
fn round(node: &PlanNode, what: &'static str, limit: u32, value: f64) -> Result<i64, QuantiseError> {
    let rounded = value.round();
    if rounded.abs() <= (1i64 << limit) as f64 {
        return Ok(rounded as i64);
    }
    // The exponent of an f64, plus one to round up; infinity reads as the largest.
    let bits = (((rounded.to_bits() >> 52) & 0x7ff) as u32).saturating_sub(1022);
    Err(QuantiseError::TooLarge { node: node.name.clone(), what, limit, bits })
}

/// Integers in one real unit, such that `magnitude` becomes `greatest`.
///
/// A tensor that is 0 on all samples says nothing about its scale; 1 is then taken for its magnitude.
pub(super) fn scale(greatest: f64, magnitude: f64) -> f64 {
    let magnitude = if magnitude > 0.0 { magnitude } else { 1.0 };
    greatest / magnitude
}
