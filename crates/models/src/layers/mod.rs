//! The layers that architectures are put together from.

mod activation;
mod attention;
mod decoder_block;
mod experts;
mod latent_attention;
mod linear;
mod mlp;
mod norm;
mod output_head;
mod residual;
mod rope_angles;
mod ropes;
mod routing;

pub use activation::Activation;
pub(crate) use attention::{Attention, HeadLayout, SelfAttention};
pub use attention::{HeadNorms, NormSpan};
pub(crate) use decoder_block::{BlockOrder, DecoderBlock, DecoderStack};
pub(crate) use experts::{Expert, Experts, SharedExpert};
pub(crate) use latent_attention::{LatentAttention, LatentQueries, LatentSizes};
pub use linear::Linear;
pub(crate) use mlp::Mlp;
pub use norm::Norm;
pub use output_head::{LogitsRule, OutputHead};
pub(crate) use residual::Residual;
pub use rope_angles::RopeAngles;
pub(crate) use rope_angles::yarn_growth;
pub(crate) use ropes::{LengthRope, Ropes};
pub(crate) use routing::{GroupScore, Groups, Routing, Scores};
