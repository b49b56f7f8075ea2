//! Networks for tests: built layer by layer, or at random.

use crate::formula::{Formula, Real};
use crate::integer::{Activation, Function, Interval};
use crate::network::{
    Architecture, LayerWeights, Node, NodeId, Op, Term, Weights, Window, affine_quotients, published_interval,
};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;

/// Builds a network layer by layer with seeded weights.
#[derive(Clone)]
pub(crate) struct NetworkBuilder {
    pub architecture: Architecture,
    pub weights: Weights,
    pub(super) rng: StdRng,
}

impl NetworkBuilder {
    pub(crate) fn new(shape: &[usize], range: Interval, seed: u64) -> Self {
        let input = Node { name: "input".into(), shape: shape.to_vec(), range, op: Op::Input };
        Self {
            architecture: Architecture { shift: 5, nodes: vec![input], output: 0 },
            weights: Weights { layers: BTreeMap::new() },
            rng: StdRng::seed_from_u64(seed),
        }
    }

    fn push(&mut self, shape: Vec<usize>, range: Interval, op: Op) -> NodeId {
        let id = self.architecture.nodes.len();
        self.architecture.nodes.push(Node { name: format!("{}{id}", op.name()), shape, range, op });
        self.architecture.output = id;
        id
    }

    pub(crate) fn affine(&mut self, shape: &[usize], activation: Activation, terms: Vec<Term>) -> NodeId {
        let op = Op::Affine { terms: terms.clone(), activation, quotient: Interval::new(-1, 1) };
        let id = self.push(shape.to_vec(), activation.range, op);
        let rng = &mut self.rng;
        let layer = LayerWeights {
            terms: terms
                .iter()
                .map(|t| (0..self.architecture.term_weights(id, t)).map(|_| rng.gen_range(-20..=20)).collect())
                .collect(),
            bias: (0..shape[0]).map(|_| rng.gen_range(-300..=300)).collect(),
        };
        self.set_weights(id, layer);
        id
    }

    /// Weights of a layer instead of the seeded ones.
    pub(crate) fn set_weights(&mut self, id: NodeId, layer: LayerWeights) {
        let bound = affine_quotients(&self.architecture, id, &layer).unwrap();
        let Op::Affine { quotient, .. } = &mut self.architecture.nodes[id].op else { unreachable!() };
        *quotient = published_interval(bound);
        self.weights.layers.insert(id, layer);
    }

    pub(crate) fn max_pool(&mut self, input: NodeId, kernel: [usize; 2]) -> NodeId {
        let node = &self.architecture.nodes[input];
        let shape = vec![node.shape[0], node.shape[1] / kernel[0], node.shape[2] / kernel[1]];
        self.push(shape, node.range, Op::MaxPool { input, kernel })
    }

    pub(crate) fn reshape(&mut self, input: NodeId, shape: &[usize]) -> NodeId {
        self.push(shape.to_vec(), self.architecture.nodes[input].range, Op::Reshape { input })
    }

    pub(crate) fn transpose(&mut self, input: NodeId, permutation: &[usize]) -> NodeId {
        let node = &self.architecture.nodes[input];
        let shape = permutation.iter().map(|p| node.shape[*p]).collect();
        self.push(shape, node.range, Op::Transpose { input, permutation: permutation.to_vec() })
    }

    pub(crate) fn take(&mut self, input: NodeId, axis: usize, indices: &[Option<usize>], fill: i64) -> NodeId {
        let node = &self.architecture.nodes[input];
        let (mut shape, range) = (node.shape.clone(), node.range);
        shape[axis] = indices.len();
        self.push(shape, range, Op::Take { input, axis, indices: indices.to_vec(), fill })
    }

    pub(crate) fn concat(&mut self, inputs: &[NodeId], axis: usize) -> NodeId {
        let mut shape = self.architecture.nodes[inputs[0]].shape.clone();
        shape[axis] = inputs.iter().map(|input| self.architecture.nodes[*input].shape[axis]).sum();
        let range = self.architecture.nodes[inputs[0]].range;
        self.push(shape, range, Op::Concat { inputs: inputs.to_vec(), axis })
    }

    /// Which elements of each row of `[rows, n]` stand before its first greatest one.
    pub(crate) fn before_max(&mut self, input: NodeId) -> NodeId {
        let [rows, length] = self.architecture.nodes[input].shape[..] else { panic!("[rows, n]") };
        let plane = self.reshape(input, &[1, rows, length]);
        let maximum = self.max_pool(plane, [1, length]);
        self.push(vec![rows, length], Interval::new(0, 1), Op::BeforeMax { input, maximum })
    }
}

const RANGES: [Interval; 6] = [
    Interval::new(0, 15),
    Interval::new(-9, 9),
    Interval::new(-40, 39),
    Interval::new(-3, 0),
    Interval::new(0, 300),
    Interval::new(-200, 150),
];
const INPUTS: [[usize; 3]; 6] = [[1, 4, 5], [2, 3, 4], [1, 5, 5], [3, 2, 2], [6, 1, 1], [2, 7, 1]];
const MAX_ELEMENTS: usize = 120;

/// A network with weights, of up to five layers of all kinds on any earlier tensors; few elements, small ranges.
#[must_use]
pub fn random_network(seed: u64) -> (Architecture, Weights) {
    let NetworkBuilder { architecture, weights, .. } = random_builder(&mut StdRng::seed_from_u64(seed));
    (architecture, weights)
}

pub(crate) fn random_builder(rng: &mut StdRng) -> NetworkBuilder {
    let input = *INPUTS.choose(rng).unwrap();
    let range = *RANGES.choose(rng).unwrap();
    let mut b = NetworkBuilder::new(&input, range, rng.r#gen());
    for _ in 0..rng.gen_range(1..=5) {
        let nodes = b.architecture.nodes.len();
        let input = if rng.gen_bool(0.6) { nodes - 1 } else { rng.gen_range(0..nodes) };
        let shape = b.architecture.nodes[input].shape.clone();
        match rng.gen_range(0..14) {
            0 | 1 if shape.len() == 3 => {
                let kernel = window(rng, &shape);
                b.max_pool(input, kernel);
            }
            2 => {
                b.reshape(input, &[shape.iter().product()]);
            }
            3 => {
                let mut permutation: Vec<usize> = (0..shape.len()).collect();
                permutation.shuffle(rng);
                b.transpose(input, &permutation);
            }
            4 => {
                let axis = rng.gen_range(0..shape.len());
                let indices: Vec<Option<usize>> = (0..rng.gen_range(1..=shape[axis] + 1))
                    .map(|_| rng.gen_bool(0.8).then(|| rng.gen_range(0..shape[axis])))
                    .collect();
                let range = b.architecture.nodes[input].range;
                let fill = if rng.gen_bool(0.5) && range.contains(0) { 0 } else { range.lo };
                if shape.iter().product::<usize>() / shape[axis] * indices.len() <= MAX_ELEMENTS {
                    b.take(input, axis, &indices, fill);
                }
            }
            5 => {
                let alike = |id: &NodeId| {
                    let (a, b) = (&b.architecture.nodes[*id], &b.architecture.nodes[input]);
                    a.shape == b.shape && a.range == b.range
                };
                let operands: Vec<NodeId> = (0..nodes).filter(alike).collect();
                if operands.len() * shape.iter().product::<usize>() <= MAX_ELEMENTS {
                    b.concat(&operands, rng.gen_range(0..shape.len()));
                }
            }
            6 => {
                let elements: usize = shape.iter().product();
                let lengths = [1, 2, 3, 4, elements].into_iter().filter(|length| elements.is_multiple_of(*length));
                let length = *lengths.collect::<Vec<_>>().choose(rng).unwrap();
                let rows = b.reshape(input, &[elements / length, length]);
                b.before_max(rows);
            }
            _ => affine(rng, &mut b, input),
        }
    }
    b
}

fn window(rng: &mut StdRng, shape: &[usize]) -> [usize; 2] {
    [rng.gen_range(1..=shape[1].min(3)), rng.gen_range(1..=shape[2].min(3))]
}

/// A tensor of the shape of another whose elements it has, each once or again and again, or constants.
fn moved_factor(rng: &mut StdRng, b: &mut NetworkBuilder, tensor: NodeId) -> NodeId {
    let (mut moved, shape) = (tensor, b.architecture.nodes[tensor].shape.clone());
    let range = b.architecture.nodes[tensor].range;
    // The channels are left as they are, so that many of these have one value in each.
    for (axis, length) in shape.into_iter().enumerate().skip(usize::from(rng.gen_bool(0.8))) {
        let (one, kind) = (rng.gen_range(0..length), rng.gen_range(0..6));
        let index = |rng: &mut StdRng| match kind {
            0 => None,
            1 => Some(rng.gen_range(0..length)),
            _ => Some(one),
        };
        let indices: Vec<_> = (0..length).map(|_| index(rng)).collect();
        let cut = rng.gen_range(0..=length);
        let mut part = |indices: &[Option<usize>], rng: &mut StdRng| {
            b.take(moved, axis, indices, rng.gen_range(range.lo..=range.hi).clamp(-2, 2).clamp(range.lo, range.hi))
        };
        // In two parts, with constants of their own.
        moved = if (1..length).contains(&cut) {
            let parts = [part(&indices[..cut], rng), part(&indices[cut..], rng)];
            b.concat(&parts, axis)
        } else {
            part(&indices, rng)
        };
    }
    moved
}

/// A layer of up to three terms that agree on a shape.
fn affine(rng: &mut StdRng, b: &mut NetworkBuilder, input: NodeId) {
    let mut shape: Option<Vec<usize>> = None;
    let mut terms = vec![];
    for _ in 0..rng.gen_range(1..=3) {
        let nodes = b.architecture.nodes.len();
        let operand = if rng.gen_bool(0.5) { input } else { rng.gen_range(0..nodes) };
        let Some((term, result)) = term(rng, &b.architecture.nodes[operand].shape, operand, shape.as_deref()) else {
            continue;
        };
        let term = match term {
            Term::Product { left, factor, .. } if rng.gen_bool(0.6) => {
                Term::Product { left, right: moved_factor(rng, b, left), factor }
            }
            term => term,
        };
        if shape.get_or_insert_with(|| result.clone()) == &result {
            terms.push(term);
        }
        // Groups stand in a layer of their own.
        if matches!(terms.last(), Some(Term::Conv { groups: 2.., .. })) {
            terms = terms.pop().into_iter().collect();
            break;
        }
    }
    let Some(shape) = shape.filter(|s| !terms.is_empty() && s.iter().product::<usize>() <= MAX_ELEMENTS) else {
        return;
    };
    let domain = Interval::new(rng.gen_range(-90..0), rng.gen_range(0..90));
    let formula = *[Formula::Gelu, Formula::Neg, Formula::Sigmoid].choose(rng).unwrap();
    let formula = Function::Formula { formula, from: Real(20.0), to: Real(30.0), domain };
    let function = *[Function::Identity, Function::Relu, formula].choose(rng).unwrap();
    let mut range = *RANGES.choose(rng).unwrap();
    range.hi = range.hi.max(1);
    b.affine(&shape, Activation { function, range }, terms);
}

fn term(rng: &mut StdRng, x: &[usize], input: NodeId, wanted: Option<&[usize]>) -> Option<(Term, Vec<usize>)> {
    let elements: usize = x.iter().product();
    match rng.gen_range(0..9) {
        0 | 1 => {
            let result = wanted.filter(|s| s.len() == 1).map_or_else(|| vec![rng.gen_range(1..=5)], <[usize]>::to_vec);
            Some((Term::Dense { input }, result))
        }
        2 => {
            let same = wanted.filter(|s| s.iter().product::<usize>() == elements);
            Some((Term::Scale { input, factor: rng.gen_range(-20..=20) }, same.unwrap_or(x).to_vec()))
        }
        3 if x.len() == 3 && rng.gen_bool(0.5) => {
            let window = Window::tiles(window(rng, x));
            let [h, w] = [0, 1].map(|axis| window.count(axis, x[axis + 1]).unwrap());
            Some((Term::SumPool { input, window, factor: rng.gen_range(-9..=9) }, vec![x[0], h, w]))
        }
        4 => {
            let same = wanted.filter(|s| s.iter().product::<usize>() == elements);
            let term = Term::Product { left: input, right: input, factor: rng.gen_range(-4..=4) };
            Some((term, same.unwrap_or(x).to_vec()))
        }
        kind if x.len() == 3 => {
            let [kernel, strides] = [4, 3].map(|most| [rng.gen_range(1..=most), rng.gen_range(1..=most)]);
            let most = if rng.gen_bool(0.2) { 6 } else { 2 };
            let pads: [usize; 4] = std::array::from_fn(|_| rng.gen_range(0..=most));
            let dilations = if rng.gen_bool(0.3) { [rng.gen_range(1..=3), rng.gen_range(1..=3)] } else { [1, 1] };
            let window = Window { kernel, strides, pads, dilations };
            let (h, w) = (window.count(0, x[1])?, window.count(1, x[2])?);
            if kind == 3 {
                return Some((Term::SumPool { input, window, factor: rng.gen_range(-9..=9) }, vec![x[0], h, w]));
            }
            let channels = wanted.filter(|s| s.len() == 3).map_or_else(|| rng.gen_range(1..=3), |s| s[0]);
            let groups = if rng.gen_bool(0.4) && channels.is_multiple_of(x[0]) { x[0] } else { 1 };
            Some((Term::Conv { input, window, groups }, vec![channels, h, w]))
        }
        _ => None,
    }
}
