//! Laurent monomials in the challenges: what multipliers and coefficients are made of.

use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;
use std::ops::{Div, Mul};

/// `u^position * R^channel * 256^byte`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Mono {
    /// Exponent of `u`.
    pub position: i64,
    /// Exponent of `R`.
    pub channel: i64,
    /// Exponent of 256.
    pub byte: i64,
}

impl Mono {
    /// The monomial 1.
    pub const ONE: Self = Self { position: 0, channel: 0, byte: 0 };
    /// The monomial `u`.
    pub const U: Self = Self::position(1);
    /// The monomial `u^2`.
    pub const U2: Self = Self::position(2);

    /// `u^exponent`.
    #[must_use]
    pub const fn position(exponent: i64) -> Self {
        Self { position: exponent, channel: 0, byte: 0 }
    }

    /// `R^exponent`.
    #[must_use]
    pub const fn channel(exponent: i64) -> Self {
        Self { position: 0, channel: exponent, byte: 0 }
    }

    /// `256^exponent`.
    #[must_use]
    pub const fn byte(exponent: i64) -> Self {
        Self { position: 0, channel: 0, byte: exponent }
    }

    /// `R^channel u^(-offset)`: the coefficient of a tensor's element, see `docs/spec/machine.md`.
    #[must_use]
    pub const fn element(channel: usize, offset: i64) -> Self {
        Self { position: -offset, channel: channel as i64, byte: 0 }
    }

    /// `self^exponent`.
    #[must_use]
    pub const fn pow(&self, exponent: i64) -> Self {
        Self { position: self.position * exponent, channel: self.channel * exponent, byte: self.byte * exponent }
    }

    /// The value under given challenges; `None` if a negative power of zero is asked for.
    #[must_use]
    pub fn evaluate(&self, position: Fr, channel: Fr) -> Option<Fr> {
        let power = |base: Fr, exponent: i64| -> Option<Fr> {
            let value = base.pow_vartime([exponent.unsigned_abs()]);
            if exponent < 0 { Option::from(value.invert()) } else { Some(value) }
        };
        Some(power(position, self.position)? * power(channel, self.channel)? * power(Fr::from(256), self.byte)?)
    }
}

impl Mul for Mono {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        Self {
            position: self.position + other.position,
            channel: self.channel + other.channel,
            byte: self.byte + other.byte,
        }
    }
}

impl Div for Mono {
    type Output = Self;

    fn div(self, other: Self) -> Self {
        Self {
            position: self.position - other.position,
            channel: self.channel - other.channel,
            byte: self.byte - other.byte,
        }
    }
}
