//! What each fault on the wire proves, measured against raw sockets (`design/reliability.md` 1.5).

use std::future::Future;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const LIMITS: Limits = Limits { total: Duration::from_secs(10), max_body: 1024 };
/// For servers that never answer: the test lasts as long as this.
const IMPATIENT: Limits = Limits { total: Duration::from_millis(300), max_body: 1024 };

fn transport() -> ReqwestTransport {
    ReqwestTransport::new(&HttpSettings::default()).unwrap()
}

fn request(uri: &str) -> http::Request<Bytes> {
    http::Request::post(uri).body(Bytes::from_static(b"{}")).unwrap()
}

/// A server that treats its first connection as `behave` says.
async fn server<F, T>(behave: F) -> SocketAddr
where
    F: FnOnce(TcpStream) -> T + Send + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        behave(socket).await;
    });
    address
}

async fn read_request(socket: &mut TcpStream) -> String {
    let mut seen = Vec::new();
    let mut buffer = [0; 1024];
    while !seen.ends_with(b"\r\n\r\n{}") {
        let count = socket.read(&mut buffer).await.unwrap();
        assert!(count > 0, "the request broke off");
        seen.extend_from_slice(&buffer[..count]);
    }
    String::from_utf8(seen).unwrap()
}

/// Reads the request, then answers with raw bytes and keeps the connection open or closes it.
async fn answering(raw: Vec<u8>, then_hang: bool) -> SocketAddr {
    server(move |mut socket| async move {
        read_request(&mut socket).await;
        socket.write_all(&raw).await.unwrap();
        if then_hang {
            std::future::pending::<()>().await;
        }
    })
    .await
}

async fn send(address: SocketAddr, limits: Limits) -> Result<http::Response<Bytes>, TransportError> {
    transport().send(request(&format!("http://{address}/x?secret=s3cret")), limits).await
}

fn assert_unknown(result: Result<http::Response<Bytes>, TransportError>) {
    match result {
        Err(TransportError::Unknown(text)) => assert!(!text.contains("s3cret") && !text.contains("http"), "{text}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_whole_answer_comes_back_as_it_is() {
    let raw = b"HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 3\r\n\r\nno!".to_vec();
    let response = send(answering(raw, false).await, LIMITS).await.unwrap();
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["retry-after"], "7");
    assert_eq!(response.body().as_ref(), b"no!");
}

#[tokio::test]
async fn the_request_is_sent_once_with_its_own_headers() {
    let (tell, told) = tokio::sync::oneshot::channel();
    let address = server(move |mut socket| async move {
        let seen = read_request(&mut socket).await;
        socket.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        tell.send(seen).unwrap();
    })
    .await;
    let mut request = request(&format!("http://{address}/api/1.0/test?action=ping"));
    request.headers_mut().insert("content-type", "application/json".parse().unwrap());
    transport().send(request, LIMITS).await.unwrap();
    let seen = told.await.unwrap().to_lowercase();
    assert!(seen.starts_with("post /api/1.0/test?action=ping http/1.1\r\n"), "{seen}");
    assert_eq!(seen.matches("content-type: application/json\r\n").count(), 1, "{seen}");
    assert!(seen.contains("content-length: 2\r\n"), "{seen}");
}

#[tokio::test]
async fn refused_is_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = send(address, LIMITS).await.unwrap_err();
    assert!(matches!(&error, TransportError::NotSent(_)), "{error:?}");
    assert!(!error.to_string().contains("s3cret"));
}

#[tokio::test]
async fn accept_then_close_is_unknown() {
    assert_unknown(send(server(|socket| async move { drop(socket) }).await, LIMITS).await);
}

#[tokio::test]
async fn close_after_the_request_is_unknown() {
    assert_unknown(send(answering(Vec::new(), false).await, LIMITS).await);
}

#[tokio::test]
async fn no_response_is_unknown() {
    assert_unknown(send(answering(Vec::new(), true).await, IMPATIENT).await);
}

#[tokio::test]
async fn a_short_body_is_unknown_although_reqwest_calls_it_a_decode_error() {
    let raw = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"id\":".to_vec();
    assert_unknown(send(answering(raw, false).await, LIMITS).await);
}

#[tokio::test]
async fn a_broken_chunk_is_unknown() {
    let raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel".to_vec();
    assert_unknown(send(answering(raw, false).await, LIMITS).await);
}

#[tokio::test]
async fn headers_then_silence_is_unknown() {
    let raw = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n".to_vec();
    assert_unknown(send(answering(raw, true).await, IMPATIENT).await);
}

#[tokio::test]
async fn not_http_is_unknown() {
    assert_unknown(send(answering(b"220 mail.example ESMTP\r\n".to_vec(), false).await, LIMITS).await);
}

#[tokio::test]
async fn too_large_is_refused_announced_or_not() {
    let announced = b"HTTP/1.1 200 OK\r\nContent-Length: 1025\r\n\r\n".to_vec();
    assert_eq!(send(answering(announced, true).await, LIMITS).await.unwrap_err(), TransportError::TooLarge(1024));
    let mut drip = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    drip.extend([b'x'; 2000]);
    assert_eq!(send(answering(drip, true).await, LIMITS).await.unwrap_err(), TransportError::TooLarge(1024));
}

#[tokio::test]
async fn a_body_nobody_wants_is_not_read_large_or_broken_off_s14() {
    let nothing = Limits { max_body: 0, ..LIMITS };
    let large = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\nx".to_vec();
    let endless = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab".to_vec();
    for raw in [large, endless] {
        for then_hang in [true, false] {
            let answer = send(answering(raw.clone(), then_hang).await, nothing).await.unwrap();
            assert_eq!((answer.status().as_u16(), answer.body().len()), (200, 0));
        }
    }
    assert_unknown(send(answering(b"HTTP/1.1 200 OK\r\nContent-Le".to_vec(), false).await, nothing).await);
}

#[tokio::test]
async fn the_cap_counts_bytes_after_decompression() {
    // 10,000 zero bytes, gzipped to 45 (Python's `gzip.compress(bytes(10000), mtime=0)`).
    let bomb = data_encoding::HEXLOWER
        .decode(b"1f8b0800000000000203edc1010d000000c2a0f74f6d0e37a0000000000000000000e0df002eca3b4d10270000")
        .unwrap();
    let mut raw =
        format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", bomb.len()).into_bytes();
    raw.extend(&bomb);
    let address = answering(raw.clone(), false).await;
    assert_eq!(send(address, LIMITS).await.unwrap_err(), TransportError::TooLarge(1024));
    let roomy = Limits { max_body: 10_000, ..LIMITS };
    assert_eq!(send(answering(raw, false).await, roomy).await.unwrap().body().len(), 10_000);
}

#[tokio::test]
async fn a_redirect_is_reported_and_not_followed() {
    let raw = b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n".to_vec();
    assert_eq!(send(answering(raw, false).await, LIMITS).await.unwrap().status(), 302);
}

#[tokio::test]
async fn https_to_a_plain_port_is_not_sent() {
    let address = server(|mut socket| async move {
        let mut hello = [0; 64];
        let _ = socket.read(&mut hello).await;
        let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    })
    .await;
    let result = transport().send(request(&format!("https://localhost:{}/", address.port())), LIMITS).await;
    assert!(matches!(result, Err(TransportError::NotSent(_))), "{result:?}");
}

/// A TLS server on its own thread that greets connections until one completes its handshake.
fn tls_server() -> SocketAddr {
    let chain = vec![CertificateDer::from_pem_slice(include_bytes!("../../../tests/data/tls/server.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("../../../tests/data/tls/server.key.pem")).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        let connection = rustls::ServerConnection::new(Arc::new(config)).unwrap();
        let mut stream = rustls::StreamOwned::new(connection, socket);
        let mut buffer = [0; 4096];
        if stream.read(&mut buffer).is_ok() {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            let _ = stream.flush();
        }
    });
    address
}

#[tokio::test]
async fn https_works_with_an_extra_authority_and_only_with_it() {
    let settings = HttpSettings {
        extra_ca_pem: Some(include_bytes!("../../../tests/data/tls/ca.pem").to_vec()),
        ..HttpSettings::default()
    };
    let uri = |address: SocketAddr| format!("https://localhost:{}/", address.port());
    let trusted = ReqwestTransport::new(&settings).unwrap().send(request(&uri(tls_server())), LIMITS).await;
    assert_eq!(trusted.unwrap().body().as_ref(), b"ok");

    let unknown = transport().send(request(&uri(tls_server())), LIMITS).await;
    assert!(matches!(unknown, Err(TransportError::NotSent(_))), "{unknown:?}");
}

#[tokio::test]
async fn a_configured_proxy_is_used_for_other_machines_only() {
    let (tell, told) = tokio::sync::oneshot::channel();
    let proxy = server(move |mut socket| async move {
        let mut buffer = [0; 1024];
        let count = socket.read(&mut buffer).await.unwrap();
        tell.send(String::from_utf8_lossy(&buffer[..count]).into_owned()).unwrap();
    })
    .await;
    let settings = HttpSettings { proxy: Some(format!("http://{proxy}").parse().unwrap()), ..HttpSettings::default() };
    let transport = ReqwestTransport::new(&settings).unwrap();
    let direct = answering(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(), false).await;
    assert_eq!(transport.send(request(&format!("http://{direct}/")), LIMITS).await.unwrap().status(), 204);

    let refused = transport.send(request("https://api.example.invalid/?secret=s3cret"), LIMITS).await;
    assert!(matches!(refused, Err(TransportError::NotSent(_))), "no tunnel, so nothing was sent: {refused:?}");
    let seen = told.await.unwrap();
    assert!(seen.starts_with("CONNECT api.example.invalid:443 ") && !seen.contains("s3cret"), "{seen}");
}

#[test]
fn a_ca_file_without_certificates_is_a_configuration_error() {
    let settings = HttpSettings { extra_ca_pem: Some(b"hello".to_vec()), ..HttpSettings::default() };
    assert_eq!(ReqwestTransport::new(&settings).unwrap_err().kind, crate::error::ErrorKind::Config);
}
