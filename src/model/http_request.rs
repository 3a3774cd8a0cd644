//! What a request says to a router: the parts that listener rules and routes look at.

use std::net::{IpAddr, Ipv4Addr};

/// A name that nobody has (RFC 2606): the host of a request that says none.
pub const NOBODYS_HOST: &str = "service.example";
/// An address for documentation (RFC 5737): where a request comes from that does not say.
pub const NOBODYS_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1));

/// A request as a client sends it. All requests of one class of traffic are alike in this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest {
    /// The `Host` header, without a port.
    pub host: String,
    /// Begins with a slash; without the query.
    pub path: String,
    pub method: String,
    /// Keys and values in their order.
    pub query: Vec<(String, String)>,
    /// Names and values as they are sent; names are compared without case.
    pub headers: Vec<(String, String)>,
    /// Of the client, or of the last proxy before the load balancer.
    pub source_ip: IpAddr,
}
