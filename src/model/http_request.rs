//! What a request says to a router: the parts that listener rules and routes look at.

use std::net::IpAddr;

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
