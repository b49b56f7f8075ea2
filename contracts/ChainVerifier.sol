// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IInferenceVerifier} from "./IInferenceVerifier.sol";
import {InferenceChain} from "./InferenceChain.sol";

/// @title Verifies proofs of networks in segments
/// @notice `InferenceChain` as a contract of its own, for callers who cannot link a library. It keeps no state.
contract ChainVerifier {
    /// @notice There is no code at the verifier's address.
    error NoVerifier(address verifier);

    /// @notice Verifies the segments.
    IInferenceVerifier public immutable verifier;

    /// @param verifier_ The verifier that the segments' keys are stored in.
    constructor(IInferenceVerifier verifier_) {
        if (address(verifier_).code.length == 0) revert NoVerifier(address(verifier_));
        verifier = verifier_;
    }

    /// @notice Returns if the chain `chainId` maps `input` to `output`, proved for `context`, else reverts.
    /// @dev The other parameters are those of `InferenceChain.verify`.
    /// @param chainId The chain that the caller relies on.
    function verifyChain(
        bytes32 chainId,
        bytes32[] calldata models,
        bytes calldata input,
        bytes[] calldata boundaries,
        bytes calldata output,
        bytes32 context,
        bytes[] calldata proofs
    ) external view {
        InferenceChain.verify(verifier, chainId, models, input, boundaries, output, context, proofs);
    }

    /// @notice Names a chain of models, see `InferenceChain.id`.
    function chainIdOf(bytes32[] calldata models) external pure returns (bytes32) {
        return InferenceChain.id(models);
    }
}
