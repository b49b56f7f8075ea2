// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title The context of a proof: what it was made for
/// @notice A proof is valid for one context only. One that names chain, contract, request, beneficiary and expiry is of no use
/// anywhere else, nor to anyone else.
/// @dev The Rust library builds the same digest. A contract that accepts a context must recompute it and never take it as an argument.
library InferenceContext {
    /// @notice First word of the digest: no other structure hashes to a context.
    bytes32 internal constant TYPEHASH = keccak256(
        "InferenceContext(uint256 chainId,address consumer,bytes32 request,address beneficiary,uint256 expiry)"
    );

    /// @notice The context for given values.
    /// @param chainId The chain of the consumer.
    /// @param consumer The contract that acts on the proof.
    /// @param request What the consumer is asked: an id or a nonce, unique in the consumer for this beneficiary.
    /// @param beneficiary Who gains from the proof.
    /// @param expiry The last second, in Unix time, at which the consumer accepts it. The consumer compares.
    /// @return Keccak-256 of the type's hash and the five values, each a 32-byte word.
    function digest(uint256 chainId, address consumer, bytes32 request, address beneficiary, uint256 expiry)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(TYPEHASH, chainId, consumer, request, beneficiary, expiry));
    }

    /// @notice The context on this chain for the contract that calls this.
    /// @param request As for `digest`.
    /// @param beneficiary As for `digest`.
    /// @param expiry As for `digest`.
    /// @return As for `digest`.
    function here(bytes32 request, address beneficiary, uint256 expiry) internal view returns (bytes32) {
        return digest(block.chainid, address(this), request, beneficiary, expiry);
    }
}
