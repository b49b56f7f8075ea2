//! The reference executor: the definition of what a model computes.

use super::{Architecture, LayerWeights, Node, NodeId, Op, Term, Weights, Window, sources};
use crate::error::NetworkError;
use crate::integer::rescale;
use ndarray::{ArrayView1, ArrayView2, ArrayView3, ArrayView4};

/// Every value of one execution.
#[derive(Clone, PartialEq, Eq)]
pub struct Trace {
    /// Elements of each node's tensor, row-major.
    pub values: Vec<Vec<i64>>,
    /// Accumulators of affine nodes, bias included, before rescaling; empty for other nodes.
    pub accumulators: Vec<Vec<i64>>,
}

impl std::fmt::Debug for Trace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Trace({} tensors)", self.values.len())
    }
}

/// Runs the network on `input` (row-major, in the declared range).
///
/// Cost: one pass, one multiplication a MAC.
///
/// # Errors
/// Wrong length, an element outside the declared range, weights that do not fit.
pub fn execute(architecture: &Architecture, weights: &Weights, input: &[i64]) -> Result<Trace, NetworkError> {
    let nodes = &architecture.nodes;
    check_input(&nodes[0], input)?;
    let mut trace = Trace { values: Vec::with_capacity(nodes.len()), accumulators: Vec::with_capacity(nodes.len()) };
    for (id, node) in nodes.iter().enumerate() {
        let (values, accumulators) = match &node.op {
            Op::Input => (input.to_vec(), vec![]),
            Op::Affine { terms, activation, .. } => {
                let layer = weights.layers.get(&id).ok_or_else(|| NetworkError::WeightCount {
                    node: node.name.clone(),
                    tensor: "the layer".into(),
                    expected: node.shape[0],
                    got: 0,
                })?;
                let acc = accumulate(architecture, id, terms, layer, &trace.values);
                (acc.iter().map(|&a| activation.apply(rescale(a, architecture.shift))).collect(), acc)
            }
            Op::MaxPool { input, kernel } => (max_pool(&nodes[*input], &trace.values[*input], *kernel), vec![]),
            Op::BeforeMax { input, .. } => (before_max(&trace.values[*input], node.shape[1]), vec![]),
            Op::Reshape { .. } | Op::Transpose { .. } | Op::Take { .. } | Op::Concat { .. } => {
                let fill = if let Op::Take { fill, .. } = node.op { fill } else { 0 };
                let from = sources(architecture, id).expect("it moves elements");
                let value = |from: Option<(NodeId, usize)>| from.map_or(fill, |(node, i)| trace.values[node][i]);
                (from.into_iter().map(value).collect(), vec![])
            }
        };
        trace.values.push(values);
        trace.accumulators.push(accumulators);
    }
    Ok(trace)
}

/// Runs the network on `count` inputs, one after the other in `inputs`. Tensors of the trace are those of all inputs, one after the other.
///
/// # Errors
/// As [`execute`].
pub fn execute_batch(
    architecture: &Architecture,
    weights: &Weights,
    inputs: &[i64],
    count: usize,
) -> Result<Trace, NetworkError> {
    let len = architecture.nodes[0].len();
    if inputs.len() != count * len {
        return Err(NetworkError::InputLength { expected: count * len, got: inputs.len() });
    }
    let mut traces = inputs.chunks(len.max(1)).map(|input| execute(architecture, weights, input));
    let none = || Trace {
        values: vec![vec![]; architecture.nodes.len()],
        accumulators: vec![vec![]; architecture.nodes.len()],
    };
    let mut all = traces.next().transpose()?.unwrap_or_else(none);
    for trace in traces {
        let Trace { values, accumulators } = trace?;
        all.values.iter_mut().zip(values).for_each(|(all, values)| all.extend(values));
        all.accumulators.iter_mut().zip(accumulators).for_each(|(all, values)| all.extend(values));
    }
    Ok(all)
}

fn check_input(node: &Node, input: &[i64]) -> Result<(), NetworkError> {
    if input.len() != node.len() {
        return Err(NetworkError::InputLength { expected: node.len(), got: input.len() });
    }
    let range = node.range;
    match input.iter().position(|&v| !range.contains(v)) {
        Some(index) => Err(NetworkError::InputRange { index, lo: range.lo, hi: range.hi }),
        None => Ok(()),
    }
}

fn accumulate(
    architecture: &Architecture,
    id: NodeId,
    terms: &[Term],
    layer: &LayerWeights,
    values: &[Vec<i64>],
) -> Vec<i64> {
    let node = &architecture.nodes[id];
    let per_channel = node.len() / node.shape[0];
    let mut acc: Vec<i64> = (0..node.len()).map(|i| layer.bias[i / per_channel]).collect();
    for (term, w) in terms.iter().zip(&layer.terms) {
        let operand = &architecture.nodes[term.input()];
        let x = &values[term.input()];
        match term {
            Term::Dense { .. } => {
                let w = ArrayView2::from_shape((node.len(), x.len()), w).expect("validated");
                let product = w.dot(&ArrayView1::from(x));
                acc.iter_mut().zip(product).for_each(|(a, p)| *a += p);
            }
            Term::Conv { window, groups, .. } => convolve(&mut acc, node, operand, x, w, window, *groups),
            Term::Scale { factor, .. } => acc.iter_mut().zip(x).for_each(|(a, v)| *a += factor * v),
            Term::SumPool { window, factor, .. } => sum_pool(&mut acc, node, operand, x, window, *factor),
            Term::Product { right, factor, .. } => {
                acc.iter_mut().zip(x).zip(&values[*right]).for_each(|((a, x), y)| *a += factor * x * y);
            }
        }
    }
    acc
}

/// The element of an axis of `length` that element `offset` of window `index` reads, unless it is padding.
fn tap(window: &Window, axis: usize, length: usize, index: usize, offset: usize) -> Option<usize> {
    let at = index * window.strides[axis] + offset * window.dilations[axis];
    at.checked_sub(window.pads[axis]).filter(|at| *at < length)
}

fn convolve(acc: &mut [i64], node: &Node, operand: &Node, x: &[i64], w: &[i64], window: &Window, groups: usize) {
    let [kh, kw] = window.kernel;
    let [out, oh, ow] = node.dims().expect("validated");
    let [c, h, wd] = operand.dims().expect("validated");
    let x = ArrayView3::from_shape((c, h, wd), x).expect("validated");
    let w = ArrayView4::from_shape((out, c / groups, kh, kw), w).expect("validated");
    for ((o, member, a, b), &weight) in w.indexed_iter().filter(|(_, w)| **w != 0) {
        let channel = o / (out / groups) * (c / groups) + member;
        for i in 0..oh {
            let Some(row) = tap(window, 0, h, i, a) else { continue };
            for j in 0..ow {
                if let Some(col) = tap(window, 1, wd, j, b) {
                    acc[(o * oh + i) * ow + j] += weight * x[(channel, row, col)];
                }
            }
        }
    }
}

fn sum_pool(acc: &mut [i64], node: &Node, operand: &Node, x: &[i64], window: &Window, factor: i64) {
    let [c, oh, ow] = node.dims().expect("validated");
    let [_, h, w] = operand.dims().expect("validated");
    let [kh, kw] = window.kernel;
    for (target, (i, j)) in (0..c).flat_map(|_| (0..oh).flat_map(|i| (0..ow).map(move |j| (i, j)))).enumerate() {
        let channel = target / (oh * ow);
        for row in (0..kh).filter_map(|a| tap(window, 0, h, i, a)) {
            for col in (0..kw).filter_map(|b| tap(window, 1, w, j, b)) {
                acc[target] += factor * x[(channel * h + row) * w + col];
            }
        }
    }
}

/// 1 for what stands before the first greatest element of its row.
fn before_max(x: &[i64], length: usize) -> Vec<i64> {
    let row = |row: &[i64]| {
        let greatest = row.iter().max().expect("a row has an element");
        let first = row.iter().position(|v| v == greatest).expect("it is in the row");
        (0..length).map(move |i| i64::from(i < first)).collect::<Vec<_>>()
    };
    x.chunks(length).flat_map(row).collect()
}

fn max_pool(operand: &Node, x: &[i64], kernel: [usize; 2]) -> Vec<i64> {
    let [c, h, w] = operand.dims().expect("validated");
    let (oh, ow) = (h / kernel[0], w / kernel[1]);
    let mut out = vec![i64::MIN; c * oh * ow];
    for ch in 0..c {
        for (i, j) in (0..oh * kernel[0]).flat_map(|i| (0..ow * kernel[1]).map(move |j| (i, j))) {
            let target = &mut out[(ch * oh + i / kernel[0]) * ow + j / kernel[1]];
            *target = (*target).max(x[(ch * h + i) * w + j]);
        }
    }
    out
}
