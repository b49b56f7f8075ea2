//! A network in segments, each proved with a key of its own, verified as one.
//!
//! Spec: `docs/spec/commitment.md#chains`. The output commitment of a segment is the input commitment of the next, so nobody sees what
//! passes between them.

use crate::keys::VerifyingKey;
use crate::model::{Model, ModelError};
use crate::proof::Proof;
use crate::srs::SrsVerifier;
use crate::verify::{VerifyError, committed_tensor, verify};
use inferproof_circuits::CompileError;
use inferproof_circuits::interface::{End, Interface, Visibility};
use inferproof_circuits::machine::Shape;
use inferproof_circuits::network::{Architecture, Node, NodeId, Op, Weights};
use inferproof_circuits::plan::{Optimise, plan_batch};
use sha3::{Digest, Keccak256};
use thiserror::Error;

/// Most segments of a chain.
pub const MAX_SEGMENTS: usize = 1 << 10;

/// A network that cannot be cut as asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SplitError {
    /// More parts than places to cut at.
    #[error(
        "{parts} parts are asked for, the network can be cut into 1 to {most}: a cut is a tensor that all later nodes depend on by nothing else"
    )]
    Parts {
        /// Parts asked for.
        parts: usize,
        /// Most parts there can be.
        most: usize,
    },
    /// The whole network cannot be planned.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// A segment is no model.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// Proofs that are no proof of a chain.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ChainError {
    /// No segment at all, or more than any chain has.
    #[error("a chain has 1 to {MAX_SEGMENTS} segments, got {0}")]
    Length(usize),
    /// Proofs are missing, or too many.
    #[error("the chain has {expected} segments, got {got} proofs; give one for each, in order")]
    Count {
        /// Segments.
        expected: usize,
        /// Proofs.
        got: usize,
    },
    /// A proof does not hold for its segment.
    #[error("segment {index}: {source}")]
    Segment {
        /// Which, from 0.
        index: usize,
        /// Why.
        source: VerifyError,
    },
    /// A proof was made for another use than the first one.
    #[error("segment {index} was proved for another context than segment 0")]
    Context {
        /// Which, from 0.
        index: usize,
    },
    /// Two keys that do not fit together.
    #[error("the keys of segments {index} and {} do not fit together: {what}", index + 1)]
    Keys {
        /// The first of the two, from 0.
        index: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// Two proofs of which the second does not start from what the first came to.
    #[error("the proofs of segments {index} and {} do not fit together: {what}", index + 1)]
    Boundary {
        /// The first of the two, from 0.
        index: usize,
        /// What is wrong.
        what: &'static str,
    },
}

impl ChainError {
    /// Whether keys and files do not fit together, as opposed to proofs that do not hold.
    #[must_use]
    pub const fn is_malformed(&self) -> bool {
        match self {
            Self::Segment { source, .. } => source.is_malformed(),
            Self::Length(_) | Self::Count { .. } | Self::Keys { .. } => true,
            Self::Context { .. } | Self::Boundary { .. } => false,
        }
    }
}

/// Names a chain of models: `Keccak-256("inferproof/chain/1" | be32 count | model ids)`.
#[must_use]
pub fn chain_id(models: &[[u8; 32]]) -> [u8; 32] {
    let mut hash = Keccak256::new();
    hash.update(b"inferproof/chain/1");
    hash.update((models.len() as u32).to_be_bytes());
    models.iter().for_each(|id| hash.update(id));
    hash.finalize().into()
}

/// What a verifier sees of each segment's ends if `ends` is what it sees of the whole network's. Boundaries are given: committed to before any
/// segment is proved, so that segments need not wait for each other.
#[must_use]
pub fn interfaces(ends: Interface, segments: usize) -> Vec<Interface> {
    let interface = |index: usize| Interface {
        input: if index == 0 { ends.input } else { Visibility::Committed },
        output: if index + 1 == segments { ends.output } else { Visibility::Given },
    };
    (0..segments).map(interface).collect()
}

/// Checks that keys are those of a chain: each output is committed, and the next input is a commitment to the same kind of tensor.
///
/// # Errors
/// [`ChainError::Length`], [`ChainError::Keys`].
pub fn check_keys(keys: &[VerifyingKey]) -> Result<(), ChainError> {
    if !(1..=MAX_SEGMENTS).contains(&keys.len()) {
        return Err(ChainError::Length(keys.len()));
    }
    for (index, pair) in keys.windows(2).enumerate() {
        let (before, after) = (pair[0].io(), pair[1].io());
        let fault = |what| Err(ChainError::Keys { index, what });
        if !before.interface.output.is_committed() || !after.interface.input.is_committed() {
            return fault("what passes between them is not committed");
        }
        if pair[0].srs_id() != pair[1].srs_id() {
            return fault("their keys are of different SRS");
        }
        if before.output != after.input {
            return fault("shape, range or scale of what passes between them differ");
        }
    }
    Ok(())
}

/// Verifies that the chain of models named by [`chain_id`] maps the first statement's input to the last one's output, for one context.
///
/// Callers compare chain, input, output and context with what they expect, as for [`verify`].
///
/// Cost: that of verifying each proof.
///
/// # Errors
/// [`ChainError`]: keys that do not fit together; proofs that are missing, too many, in another order, for other contexts, of other
/// boundaries, or do not hold.
pub fn verify_chain(keys: &[VerifyingKey], srs: &SrsVerifier, proofs: &[Proof]) -> Result<(), ChainError> {
    check_keys(keys)?;
    if keys.len() != proofs.len() {
        return Err(ChainError::Count { expected: keys.len(), got: proofs.len() });
    }
    for (index, (key, proof)) in keys.iter().zip(proofs).enumerate() {
        if proof.statement.context != proofs[0].statement.context {
            return Err(ChainError::Context { index });
        }
        verify(key, srs, proof).map_err(|source| ChainError::Segment { index, source })?;
    }
    for (index, (keys, proofs)) in keys.windows(2).zip(proofs.windows(2)).enumerate() {
        let output = committed_tensor(&keys[0], &proofs[0].statement, End::Output);
        let input = committed_tensor(&keys[1], &proofs[1].statement, End::Input);
        if output.is_none() || output != input {
            return Err(ChainError::Boundary {
                index,
                what: "the first one's output commitment is not the second one's input",
            });
        }
    }
    Ok(())
}

/// Cuts a model into `parts` segments, so that the largest is as small as it can be.
///
/// A cut is a tensor on which all later nodes depend by nothing else. The size of a segment is the rows of its nodes in the plan of the whole network, and
/// the elements at its ends.
///
/// # Errors
/// [`SplitError`].
pub fn split(model: &Model, parts: usize) -> Result<Vec<Model>, SplitError> {
    let cuts = cuts(&model.architecture);
    let most = (cuts.len() + 1).min(MAX_SEGMENTS);
    if !(1..=most).contains(&parts) {
        return Err(SplitError::Parts { parts, most });
    }
    let rows = segment_rows(&model.architecture, &cuts)?;
    let mut ends: Vec<NodeId> = best(rows, cuts.len() + 1, parts).into_iter().map(|place| cuts[place - 1]).collect();
    ends.push(model.architecture.output);
    let mut first = 0;
    let mut models = vec![];
    for (index, end) in ends.into_iter().enumerate() {
        models.push(segment(model, first, end, format!("{} {}/{parts}", model.name, index + 1))?);
        first = end;
    }
    Ok(models)
}

/// Nodes at which the network can be cut: neither its input nor its output, and no edge passes them by.
fn cuts(architecture: &Architecture) -> Vec<NodeId> {
    // The least operand of all nodes after each.
    let mut least = vec![usize::MAX; architecture.nodes.len() + 1];
    for (id, node) in architecture.nodes.iter().enumerate().rev() {
        least[id] = least[id + 1].min(node.op.inputs().into_iter().min().unwrap_or(usize::MAX));
    }
    (1..architecture.output).filter(|id| least[id + 1] >= *id).collect()
}

/// Rows of the segment between places `i < j`, as a function: place 0 is the input, then come the cuts, the last place is the output.
fn segment_rows(architecture: &Architecture, cuts: &[NodeId]) -> Result<impl Fn(usize, usize) -> usize, CompileError> {
    // As setup plans segments: of one shape, which one verifier contract is for.
    let (program, _) = plan_batch(architecture, Interface::default(), Optimise::Prover, 1, Some(Shape::Single))?;
    let mut sums = vec![0; architecture.nodes.len() + 1];
    for ((node, _), rows) in program.usage() {
        if let Some(node) = node {
            sums[node + 1] += rows;
        }
    }
    (0..architecture.nodes.len()).for_each(|id| sums[id + 1] += sums[id]);
    let places: Vec<NodeId> = std::iter::once(0).chain(cuts.iter().copied()).chain([architecture.output]).collect();
    let lengths: Vec<usize> = places.iter().map(|id| architecture.nodes[*id].len()).collect();
    Ok(move |from: usize, to: usize| sums[places[to] + 1] - sums[places[from] + 1] + lengths[from] + lengths[to])
}

/// The inner places, `parts - 1` of them, that leave the largest segment least; of equals those that come first.
///
/// `rows(i, j)` is the size of what lies between places `i < j`; there are places `0..=last`.
fn best(rows: impl Fn(usize, usize) -> usize, last: usize, parts: usize) -> Vec<usize> {
    // By place: the least largest segment of so many parts that end there, and where the last of them begins.
    let mut table: Vec<Vec<Option<(usize, usize)>>> =
        vec![(0..=last).map(|to| (to > 0).then(|| (rows(0, to), 0))).collect()];
    for _ in 1..parts {
        let before = &table[table.len() - 1];
        let ending = |to: usize| {
            let candidates = (1..to).filter_map(|from| Some((before[from]?.0.max(rows(from, to)), from)));
            candidates.min()
        };
        table.push((0..=last).map(ending).collect());
    }
    let mut places = vec![];
    let mut to = last;
    for ends in table.iter().skip(1).rev() {
        to = ends[to].expect("as many places as parts").1;
        places.push(to);
    }
    places.reverse();
    places
}

/// The nodes after `first` up to `end` as a model; `first` is its input.
fn segment(model: &Model, first: NodeId, end: NodeId, name: String) -> Result<Model, ModelError> {
    let Architecture { shift, nodes, .. } = &model.architecture;
    let input = Node { op: Op::Input, ..nodes[first].clone() };
    let moved = |node: &Node| Node { op: node.op.with_inputs(|id| id - first), ..node.clone() };
    let rest = nodes[first + 1..=end].iter().map(moved);
    let architecture =
        Architecture { shift: *shift, nodes: std::iter::once(input).chain(rest).collect(), output: end - first };
    let layers = model.weights.layers.range(first + 1..=end).map(|(id, layer)| (id - first, layer.clone()));
    let segment = Model {
        name,
        source_digest: model.source_digest,
        architecture,
        weights: Weights { layers: layers.collect() },
        tensor_scales: model.tensor_scales[first..=end].to_vec(),
    };
    segment.validate()?;
    Ok(segment)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Every choice of places, by brute force.
    fn brute_force(rows: &[usize], parts: usize) -> usize {
        fn go(rows: &[usize], from: usize, parts: usize) -> usize {
            let sum = |to: usize| rows[from..to].iter().sum::<usize>();
            if parts == 1 {
                return sum(rows.len());
            }
            (from + 1..rows.len()).map(|to| sum(to).max(go(rows, to, parts - 1))).min().unwrap_or(usize::MAX)
        }
        go(rows, 0, parts)
    }

    proptest! {
        #[test]
        fn the_largest_segment_is_least(rows in proptest::collection::vec(1usize..50, 1..9), parts in 1usize..6) {
            prop_assume!(parts <= rows.len());
            let size = |from: usize, to: usize| rows[from..to].iter().sum::<usize>();
            let mut places = best(size, rows.len(), parts);
            prop_assert_eq!(places.len(), parts - 1);
            places.insert(0, 0);
            places.push(rows.len());
            prop_assert!(places.is_sorted_by(|a, b| a < b));
            let largest = places.windows(2).map(|pair| size(pair[0], pair[1])).max().unwrap();
            prop_assert_eq!(largest, brute_force(&rows, parts));
        }
    }

    #[test]
    fn ids_name_order_and_number() {
        let [a, b] = [[1; 32], [2; 32]];
        let ids = [chain_id(&[a]), chain_id(&[b]), chain_id(&[a, b]), chain_id(&[b, a]), chain_id(&[a, a])];
        let distinct: std::collections::HashSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len());
        let preimage = [b"inferproof/chain/1".as_slice(), &[0, 0, 0, 2], &a, &b].concat();
        assert_eq!(chain_id(&[a, b]), <[u8; 32]>::from(Keccak256::digest(preimage)));
    }

    #[test]
    fn boundaries_are_given() {
        let ends = Interface { input: Visibility::Private, output: Visibility::Public };
        let interfaces = interfaces(ends, 3);
        assert_eq!(interfaces[0], Interface { input: Visibility::Private, output: Visibility::Given });
        assert_eq!(interfaces[1], Interface { input: Visibility::Committed, output: Visibility::Given });
        assert_eq!(interfaces[2], Interface { input: Visibility::Committed, output: Visibility::Public });
        assert_eq!(super::interfaces(ends, 1), [ends]);
    }
}
