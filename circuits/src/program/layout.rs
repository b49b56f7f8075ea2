//! How a network is laid out: lanes, limbs, shape.

use crate::machine::Shape;
use crate::network::{Architecture, NodeId};
use crate::packing::Packing;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// How a network is laid out. Lanes and limbs change rows and tables, never a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    /// Weight lanes, `W`: 1 to 256.
    pub lanes: usize,
    /// Greatest bits of a limb, 2 to 16. `None`: a requantised value takes one row, and its table holds every
    /// quotient. Else it takes a row for its activation, one for its quotient's block and one for each limb of the
    /// remainder; tables are small, and maxima are taken on values.
    pub limb: Option<u32>,
    /// Which layers that is for.
    #[serde(default, skip_serializing_if = "Limbed::is_default")]
    pub limbed: Limbed,
    /// Inputs of one proof, 1 to [`MAX_BATCH`]: tensors hold the elements of all of them, one input after the other. Rows with
    /// weights are the same for any number.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub batch: usize,
    /// Of the machine: how many activations a row has room for.
    #[serde(default, skip_serializing_if = "Shape::is_default")]
    pub shape: Shape,
}

/// Layers that have their values in limbs, where a layout has limbs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Limbed {
    /// All.
    #[default]
    All,
    /// Those with one output a channel: few values, and often the widest quotients.
    Flat,
}

impl Limbed {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Most inputs of one proof.
pub const MAX_BATCH: usize = 1 << 12;

const fn one() -> usize {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_one(batch: &usize) -> bool {
    *batch == 1
}

impl Layout {
    /// One row a requantised value, one input a proof.
    #[must_use]
    pub const fn direct(lanes: usize) -> Self {
        Self { lanes, limb: None, limbed: Limbed::All, batch: 1, shape: Shape::Single }
    }

    /// Bits of a limb of an affine layer's values, if they are in limbs.
    #[must_use]
    pub fn limb_of(&self, architecture: &Architecture, layer: NodeId) -> Option<u32> {
        let flat = || architecture.nodes[layer].dims().is_some_and(|[_, h, w]| h * w == 1);
        self.limb.filter(|_| self.limbed == Limbed::All || flat())
    }

    /// Shape of a tensor of all inputs: of several with an axis before the others.
    #[must_use]
    pub fn tensor_shape(&self, of_one: &[usize]) -> Vec<usize> {
        let inputs = Some(self.batch).filter(|batch| *batch > 1);
        inputs.into_iter().chain(of_one.iter().copied()).collect()
    }

    /// How the input and the output, of all inputs, are packed into words.
    #[must_use]
    pub fn packings(&self, architecture: &Architecture) -> [Packing; 2] {
        [0, architecture.output].map(|id| {
            let node = &architecture.nodes[id];
            Packing::new(self.batch * node.len(), node.range)
        })
    }
}

/// `LANES[:LIMB[:flat]][:paired]`: `64`, `64:5`, `64:5:flat:paired`. The batch has no part in it.
impl fmt::Display for Layout {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lanes, limb, limbed, batch: _, shape } = self;
        write!(out, "{lanes}")?;
        match (limb, limbed) {
            (None, _) => {}
            (Some(bits), Limbed::All) => write!(out, ":{bits}")?,
            (Some(bits), Limbed::Flat) => write!(out, ":{bits}:flat")?,
        }
        match shape {
            Shape::Single => Ok(()),
            Shape::Paired => out.write_str(":paired"),
        }
    }
}

/// A layout's name that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("layout `{0}`: expected LANES[:LIMB[:flat]][:paired], LANES from 1 to 256 and LIMB from 2 to 16")]
pub struct LayoutNameError(String);

/// As [`Display`](fmt::Display) writes it, for one input a proof.
impl FromStr for Layout {
    type Err = LayoutNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || LayoutNameError(text.into());
        let (rest, shape) = text.strip_suffix(":paired").map_or((text, Shape::Single), |rest| (rest, Shape::Paired));
        let (rest, limbed) = rest.strip_suffix(":flat").map_or((rest, Limbed::All), |rest| (rest, Limbed::Flat));
        let (lanes, limb) = rest.split_once(':').map_or((rest, None), |(lanes, limb)| (lanes, Some(limb)));
        if limbed == Limbed::Flat && limb.is_none() {
            return Err(wrong());
        }
        // A sign is no part of a name.
        if rest.contains('+') {
            return Err(wrong());
        }
        let lanes = lanes.parse().map_err(|_| wrong())?;
        let limb = limb.map(|bits| bits.parse().map_err(|_| wrong())).transpose()?;
        Ok(Self { limb, limbed, shape, ..Self::direct(lanes) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_layouts_are_read_back() {
        for lanes in [1, 128] {
            for (limb, limbed) in [(None, Limbed::All), (Some(5), Limbed::All), (Some(12), Limbed::Flat)] {
                for shape in Shape::ALL {
                    let layout = Layout { limb, limbed, shape, ..Layout::direct(lanes) };
                    assert_eq!(layout.to_string().parse(), Ok(layout));
                }
            }
        }
        assert_eq!(Layout::direct(64).to_string(), "64");
        let all = Layout { limb: Some(5), limbed: Limbed::Flat, shape: Shape::Paired, ..Layout::direct(128) };
        assert_eq!(all.to_string(), "128:5:flat:paired");
        for wrong in [
            "",
            "x",
            "-1",
            "64:",
            "64:flat",
            "64:5:flats",
            "64:5:paired:flat",
            "64:paired:paired",
            "64:5:6",
            "+64",
            "64:+5",
        ] {
            assert_eq!(wrong.parse::<Layout>(), Err(LayoutNameError(wrong.into())));
        }
    }
}
