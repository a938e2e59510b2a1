//! CPU kernels, their thread pool and aligned memory: the room where unsafe lives.
