//! The reference executor: the definition of what a model computes.

use super::{Architecture, LayerWeights, Node, NodeId, Op, Term, Weights, transpose_order};
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
            Op::Reshape { input } => (trace.values[*input].clone(), vec![]),
            Op::Transpose { input, permutation } => {
                let order = transpose_order(&nodes[*input].shape, permutation);
                (order.iter().map(|&i| trace.values[*input][i]).collect(), vec![])
            }
        };
        trace.values.push(values);
        trace.accumulators.push(accumulators);
    }
    Ok(trace)
}

fn check_input(node: &Node, input: &[i64]) -> Result<(), NetworkError> {
    if input.len() != node.len() {
        return Err(NetworkError::InputLength { expected: node.len(), got: input.len() });
    }
    let range = node.range;
    match input.iter().position(|&v| !range.contains(v)) {
        Some(index) => Err(NetworkError::InputRange { index, got: input[index], lo: range.lo, hi: range.hi }),
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
            Term::Conv { kernel, strides, pads, .. } => {
                convolve(&mut acc, node, operand, x, w, (*kernel, *strides, *pads));
            }
            Term::Scale { factor, .. } => acc.iter_mut().zip(x).for_each(|(a, v)| *a += factor * v),
            Term::SumPool { kernel, factor, .. } => sum_pool(&mut acc, node, operand, x, *kernel, *factor),
        }
    }
    acc
}

type Geometry = ([usize; 2], [usize; 2], [usize; 4]);

fn convolve(acc: &mut [i64], node: &Node, operand: &Node, x: &[i64], w: &[i64], geometry: Geometry) {
    let (kernel, strides, pads) = geometry;
    let [out, oh, ow] = node.dims().expect("validated");
    let [c, h, wd] = operand.dims().expect("validated");
    let x = ArrayView3::from_shape((c, h, wd), x).expect("validated");
    let w = ArrayView4::from_shape((out, c, kernel[0], kernel[1]), w).expect("validated");
    for ((o, ch, a, b), &weight) in w.indexed_iter().filter(|(_, w)| **w != 0) {
        for i in 0..oh {
            let Some(row) = (i * strides[0] + a).checked_sub(pads[0]).filter(|r| *r < h) else { continue };
            for j in 0..ow {
                if let Some(col) = (j * strides[1] + b).checked_sub(pads[1]).filter(|c| *c < wd) {
                    acc[(o * oh + i) * ow + j] += weight * x[(ch, row, col)];
                }
            }
        }
    }
}

fn sum_pool(acc: &mut [i64], node: &Node, operand: &Node, x: &[i64], kernel: [usize; 2], factor: i64) {
    let [_, oh, ow] = node.dims().expect("validated");
    for_windows(operand, oh, ow, kernel, |target, source| acc[target] += factor * x[source]);
}

fn max_pool(operand: &Node, x: &[i64], kernel: [usize; 2]) -> Vec<i64> {
    let [c, h, w] = operand.dims().expect("validated");
    let (oh, ow) = (h / kernel[0], w / kernel[1]);
    let mut out = vec![i64::MIN; c * oh * ow];
    for_windows(operand, oh, ow, kernel, |target, source| out[target] = out[target].max(x[source]));
    out
}

/// Visits every covered element of `operand` with the index of its window.
fn for_windows(operand: &Node, oh: usize, ow: usize, kernel: [usize; 2], mut visit: impl FnMut(usize, usize)) {
    let [c, h, w] = operand.dims().expect("validated");
    for ch in 0..c {
        for i in 0..oh * kernel[0] {
            for j in 0..ow * kernel[1] {
                visit((ch * oh + i / kernel[0]) * ow + j / kernel[1], (ch * h + i) * w + j);
            }
        }
    }
}
