//! S-360 (SecuTix 360) as the origin (`contracts/connector_s360.md` 2).

pub mod payload;
