//! The pose model on ONNX Runtime.
