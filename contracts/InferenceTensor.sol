// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity >=0.8.20 <0.9.0;

/// @title Identifiers of committed tensors
library InferenceTensor {
    /// @notice The tensor is not committed.
    error NotCommitted();

    /// @notice The id under which a tensor's owner publishes or signs a commitment: its point, and how its integers are to be read.
    /// @dev The same as `tensorId` of `inferproof commit`. Compare ids, never bare points: a point serves models with other shapes and scales.
    /// @param header `IInferenceVerifier.tensorHeader` of the model: zero, which reverts, if the tensor is not committed.
    /// @param commitment The claim's 64 bytes.
    /// @return The id.
    function id(bytes32 header, bytes memory commitment) internal pure returns (bytes32) {
        if (header == 0) revert NotCommitted();
        return keccak256(abi.encodePacked("inferproof/tensor/1", header, commitment));
    }
}
