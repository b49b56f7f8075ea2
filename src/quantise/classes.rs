//! Which tensors share a range and a scale: those between which elements only move.

use super::{
    Options,
    calibrate::Extent,
    lower::scale,
    plan::{Affine, Fill, Plan, PlanFunction, PlanNode, PlanOp, PlanTerm},
};
use inferproof_circuits::integer::Interval;

/// Tensors by class. A class has one or more *sources*, the tensors whose elements are computed.
pub(super) struct Classes {
    /// Class of each plan node.
    of: Vec<usize>,
    classes: Vec<Class>,
}

#[derive(Clone)]
struct Class {
    sources: usize,
    /// Greatest magnitude over all sources.
    magnitude: f64,
    range: Interval,
    /// Whether a unit of a source's value is a unit of the tensor: one integer stands for it.
    integral: bool,
    scale: Option<f64>,
}

impl Classes {
    pub fn new(plan: &Plan, extents: &[Extent], options: &Options) -> Self {
        let of = components(plan);
        let signs = never_negative(plan, extents, options);
        let empty = Class { sources: 0, magnitude: 0.0, range: range(options, true), integral: true, scale: None };
        let mut classes = vec![empty; of.len()];
        for (id, node) in plan.nodes.iter().enumerate().filter(|(_, node)| node.op.moved().is_empty()) {
            let class = &mut classes[of[id]];
            class.sources += 1;
            class.magnitude = class.magnitude.max(magnitude(plan, node, extents, options));
            class.integral &= is_integral(node);
        }
        for (id, _) in plan.nodes.iter().enumerate().filter(|(id, _)| !signs[*id]) {
            classes[of[id]].range = range(options, false);
        }
        // One integer more, for what was dropped.
        let mut with_drops: Vec<usize> =
            (0..of.len()).filter(|id| plan.nodes[*id].is_drop()).map(|id| of[id]).collect();
        with_drops.sort_unstable();
        with_drops.dedup();
        with_drops.iter().for_each(|class| classes[*class].range.lo -= 1);
        Self { of, classes }
    }

    /// Range and scale of the class of node `id`.
    pub fn decided(&mut self, id: usize) -> (Interval, f64) {
        self.decide(id, None).expect("a scale without unit always exists")
    }

    /// Range and scale of the class of source `id`: as before if they are decided, else by the class's magnitude. A scale
    /// is a multiple of `unit`, if there is one and the class has no other source.
    ///
    /// # Errors
    /// The scale over the unit, where that is less than 1.
    pub fn decide(&mut self, id: usize, unit: Option<f64>) -> Result<(Interval, f64), f64> {
        let class = &mut self.classes[self.of[id]];
        if let Some(scale) = class.scale {
            return Ok((class.range, scale));
        }
        let mut chosen = scale(class.range.hi as f64, class.magnitude);
        if class.integral && chosen > 1.0 {
            chosen = 1.0;
        }
        if let Some(unit) = unit.filter(|_| class.sources == 1) {
            if chosen < unit {
                return Err(chosen / unit);
            }
            chosen = (chosen / unit).floor() * unit;
        }
        class.scale = Some(chosen);
        Ok((class.range, chosen))
    }
}

/// The least node of each node's class.
fn components(plan: &Plan) -> Vec<usize> {
    let mut of: Vec<usize> = (0..plan.nodes.len()).collect();
    for (id, node) in plan.nodes.iter().enumerate() {
        for &operand in node.op.moved() {
            let (a, b) = (of[id], of[operand]);
            if a != b {
                // Few classes meet; renaming the larger number keeps the least node.
                let (least, other) = (a.min(b), a.max(b));
                of.iter_mut().take(id + 1).filter(|class| **class == other).for_each(|class| *class = least);
            }
        }
    }
    of
}

/// For each tensor whether no input whatever makes one of its elements negative.
fn never_negative(plan: &Plan, extents: &[Extent], options: &Options) -> Vec<bool> {
    let mut signs: Vec<bool> = vec![];
    for node in &plan.nodes {
        let sign = match &node.op {
            PlanOp::Input => options.input_range.map_or(extents[node.source].min >= 0.0, |(lo, _)| lo >= 0.0),
            PlanOp::BeforeMax { .. } => true,
            PlanOp::Affine(affine) => result_is_never_negative(affine, &signs),
            PlanOp::Take { input, fill: Fill::Value(value), .. } => signs[*input] && *value >= 0.0,
            op => op.moved().iter().all(|&operand| signs[operand]),
        };
        signs.push(sign);
    }
    signs
}

fn result_is_never_negative(affine: &Affine, signs: &[bool]) -> bool {
    match affine.function {
        PlanFunction::Relu => true,
        PlanFunction::Clip { lo, .. } => lo == 0.0 || sum_is_never_negative(affine, signs),
        PlanFunction::Formula { formula, .. } => formula.is_non_negative(),
        PlanFunction::Identity => sum_is_never_negative(affine, signs),
        PlanFunction::Drop => signs[affine.terms[0].inputs()[0]],
    }
}

fn sum_is_never_negative(affine: &Affine, signs: &[bool]) -> bool {
    affine.bias.iter().all(|&bias| bias >= 0.0)
        && affine.terms.iter().all(|term| match *term {
            PlanTerm::Scale { input, negative } => !negative && signs[input],
            PlanTerm::SumPool { input, divisor, .. } => divisor > 0.0 && signs[input],
            PlanTerm::Product { left, right } => signs[left] && signs[right],
            PlanTerm::Dense { .. } | PlanTerm::Conv { .. } => false,
        })
}

fn is_integral(node: &PlanNode) -> bool {
    match &node.op {
        PlanOp::Affine(Affine { function: PlanFunction::Formula { formula, .. }, .. }) => formula.is_integral(),
        PlanOp::BeforeMax { .. } => true,
        _ => false,
    }
}

/// The greatest magnitude that the range of a source's tensor has to hold.
fn magnitude(plan: &Plan, node: &PlanNode, extents: &[Extent], options: &Options) -> f64 {
    let extent = &extents[node.source];
    match (&node.op, options.input_range, options.clip) {
        (PlanOp::Input, Some((lo, hi)), _) => lo.abs().max(hi.abs()),
        // Clipped outputs would tie, and change which class comes first.
        (PlanOp::Affine(_), _, Some(percent)) if node.source != plan.graph.output => extent.percentile(percent),
        _ => extent.magnitude(),
    }
}

fn range(options: &Options, never_negative: bool) -> Interval {
    let bits = options.activation_bits;
    if never_negative {
        return Interval::new(0, (1 << bits) - 1);
    }
    let bound = (1 << (bits - 1)) - 1;
    Interval::new(-bound, bound)
}
