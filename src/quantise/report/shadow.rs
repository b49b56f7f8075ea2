//! Real values of all integer tensors, and every layer run on those instead of on what the layers before it made.

use crate::model::Model;
use crate::quantise::plan::{Fill, Plan, PlanOp};
use inferproof_circuits::{
    NetworkError,
    integer::Interval,
    network::{Architecture, Node, NodeId, Op, Term, Weights, execute, sources},
};
use ndarray::ArrayD;
use std::collections::BTreeMap;

/// What stands where an element has no real value: padding of a maximum, and maxima that were dropped.
const NONE: f32 = f32::NEG_INFINITY;

/// The real values that the tensors of a model stand for, by node and row-major; `float` are those of the plan's graph.
///
/// Cost: a copy of all tensors.
pub(super) fn shadow(plan: &Plan, architecture: &Architecture, float: &[ArrayD<f32>]) -> Vec<Vec<f32>> {
    let mut values: Vec<Vec<f32>> = Vec::with_capacity(plan.nodes.len());
    for (id, node) in plan.nodes.iter().enumerate() {
        let value = match &node.op {
            PlanOp::Affine(affine) if node.is_drop() => {
                let kept = affine.terms.first().map_or(&[][..], |term| &values[term.inputs()[0]]);
                drop_max(kept, row_length(&node.shape))
            }
            PlanOp::Input | PlanOp::Affine(_) => float[node.source].iter().copied().collect(),
            PlanOp::MaxPool { input, kernel } => max_pool(&architecture.nodes[*input], &values[*input], *kernel),
            PlanOp::BeforeMax { input, .. } => before_max(&values[*input], row_length(&node.shape)),
            PlanOp::Reshape { input } => values[*input].clone(),
            PlanOp::Transpose { .. } | PlanOp::Take { .. } | PlanOp::Concat { .. } => {
                let fill = match &node.op {
                    PlanOp::Take { fill: Fill::Value(value), .. } => *value,
                    _ => NONE,
                };
                let value = |from: Option<(NodeId, usize)>| from.map_or(fill, |(operand, i)| values[operand][i]);
                sources(architecture, id).unwrap_or_default().into_iter().map(value).collect()
            }
        };
        values.push(value);
    }
    values
}

fn row_length(shape: &[usize]) -> usize {
    shape.last().copied().unwrap_or(1).max(1)
}

/// Position of the first greatest element.
fn first_greatest(row: &[f32]) -> usize {
    (1..row.len()).fold(0, |first, i| if row[i] > row[first] { i } else { first })
}

fn drop_max(values: &[f32], length: usize) -> Vec<f32> {
    let mut kept = values.to_vec();
    kept.chunks_mut(length).for_each(|row| row[first_greatest(row)] = NONE);
    kept
}

fn before_max(values: &[f32], length: usize) -> Vec<f32> {
    let bits = |row: &[f32]| {
        let first = first_greatest(row);
        (0..row.len()).map(move |i| if i < first { 1.0 } else { 0.0 })
    };
    values.chunks(length).flat_map(bits).collect()
}

fn max_pool(operand: &Node, x: &[f32], [kh, kw]: [usize; 2]) -> Vec<f32> {
    let [c, h, w] = operand.dims().unwrap_or([0; 3]);
    let (oh, ow) = (h / kh, w / kw);
    let mut out = vec![NONE; c * oh * ow];
    for (channel, i, j) in (0..c).flat_map(|c| (0..oh * kh).flat_map(move |i| (0..ow * kw).map(move |j| (c, i, j)))) {
        let target = &mut out[(channel * oh + i / kh) * ow + j / kw];
        *target = target.max(x[(channel * h + i) * w + j]);
    }
    out
}

/// The layers of a model side by side: each reads real values, rounded to the scales of its operands, so that its
/// result shows its own error and none of the layers before it.
///
/// ```text
/// input = operand | operand | ...        every tensor that a layer reads, flat
///   take -> reshape                      one of them
///     affine                             a layer of the model, with its weights
/// ```
pub(super) struct Forced {
    architecture: Architecture,
    weights: Weights,
    /// The tensors of the model that are the input, in order.
    operands: Vec<NodeId>,
    /// Layers: position in the model, position here.
    layers: Vec<(NodeId, NodeId)>,
}

impl Forced {
    /// All layers of `model` but those that drop maxima: what was dropped has no real value.
    ///
    /// Cost: a copy of the weights.
    pub fn new(plan: &Plan, model: &Model) -> Self {
        let is_layer = |id: NodeId| matches!(&plan.nodes[id].op, PlanOp::Affine(_)) && !plan.nodes[id].is_drop();
        let nodes = &model.architecture.nodes;
        let layers: Vec<NodeId> = (0..nodes.len()).filter(|id| is_layer(*id)).collect();
        let mut operands: Vec<NodeId> = layers.iter().flat_map(|id| nodes[*id].op.inputs()).collect();
        operands.sort_unstable();
        operands.dedup();
        let shift = model.architecture.shift;
        let mut forced = Self {
            architecture: Architecture { shift, nodes: vec![], output: 0 },
            weights: Weights { layers: BTreeMap::new() },
            operands,
            layers: vec![],
        };
        let placed = forced.place_operands(nodes);
        for id in layers {
            forced.place_layer(model, id, &placed);
        }
        forced
    }

    fn place_operands(&mut self, nodes: &[Node]) -> BTreeMap<NodeId, NodeId> {
        let operands: Vec<&Node> = self.operands.iter().map(|id| &nodes[*id]).collect();
        let ends = |end: fn(&Interval) -> i64| operands.iter().map(move |node| end(&node.range));
        let range = Interval::new(ends(|r| r.lo).min().unwrap_or(0), ends(|r| r.hi).max().unwrap_or(0));
        let length = operands.iter().map(|node| node.len()).sum();
        let placed = &mut self.architecture.nodes;
        let node = |shape: &[usize], range, op| Node { name: String::new(), shape: shape.to_vec(), range, op };
        placed.push(node(&[length], range, Op::Input));
        let (mut start, mut places) = (0, BTreeMap::new());
        for (id, operand) in self.operands.iter().zip(operands) {
            let indices = (start..start + operand.len()).map(Some).collect();
            start += operand.len();
            let take = Op::Take { input: 0, axis: 0, indices, fill: 0 };
            placed.push(node(&[operand.len()], operand.range, take));
            placed.push(node(&operand.shape, operand.range, Op::Reshape { input: placed.len() - 1 }));
            places.insert(*id, placed.len() - 1);
        }
        places
    }

    fn place_layer(&mut self, model: &Model, id: NodeId, placed: &BTreeMap<NodeId, NodeId>) {
        let mut node = model.architecture.nodes[id].clone();
        if let (Op::Affine { terms, .. }, Some(layer)) = (&mut node.op, model.weights.layers.get(&id)) {
            terms.iter_mut().flat_map(operands_mut).for_each(|operand| *operand = placed[operand]);
            let here = self.architecture.nodes.len();
            self.architecture.nodes.push(node);
            self.weights.layers.insert(here, layer.clone());
            self.layers.push((id, here));
        }
    }

    /// The result of every layer on the real values `shadow`, by position in the model; `input` is the model's input in
    /// integers.
    ///
    /// Cost: one integer inference.
    ///
    /// # Errors
    /// None for a validated model.
    pub fn run(
        &self,
        model: &Model,
        input: &[i64],
        shadow: &[Vec<f32>],
    ) -> Result<Vec<(NodeId, Vec<i64>)>, NetworkError> {
        let mut operands = Vec::with_capacity(self.architecture.nodes[0].len());
        for &id in &self.operands {
            match id {
                0 => operands.extend_from_slice(input),
                _ => operands.extend(quantised(model, id, &shadow[id])),
            }
        }
        let mut trace = execute(&self.architecture, &self.weights, &operands)?;
        Ok(self.layers.iter().map(|&(id, here)| (id, std::mem::take(&mut trace.values[here]))).collect())
    }
}

/// Real values as the integers of a tensor; what has no value is the least of them.
fn quantised<'a>(model: &Model, id: NodeId, values: &'a [f32]) -> impl Iterator<Item = i64> + use<'a> {
    let (scale, range) = (model.tensor_scales[id], model.architecture.nodes[id].range);
    values.iter().map(move |&x| (f64::from(x) * scale).round().clamp(range.lo as f64, range.hi as f64) as i64)
}

fn operands_mut(term: &mut Term) -> Vec<&mut NodeId> {
    match term {
        Term::Dense { input } | Term::Conv { input, .. } | Term::Scale { input, .. } | Term::SumPool { input, .. } => {
            vec![input]
        }
        Term::Product { left, right, .. } => vec![left, right],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn searches_take_the_first_of_equal_elements() {
        let rows = [1.0, 3.0, 3.0, 2.0, 0.0, 1.0];
        assert_eq!(before_max(&rows, 3), [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(drop_max(&rows, 3), [1.0, NONE, 3.0, NONE, 0.0, 1.0]);
        assert_eq!(drop_max(&drop_max(&rows, 3), 3), [1.0, NONE, NONE, NONE, 0.0, NONE]);
    }
}
