// What of mbedTLS there is on every port: upstream's choice, and what our `ssl` adds to it.
// A port's own header says what differs and includes this.
#include "extmod/mbedtls/mbedtls_config_common.h"

// Certificates and keys as PEM, and the peer's certificate for getpeercert().
#define MBEDTLS_BASE64_C
#define MBEDTLS_PEM_PARSE_C
#define MBEDTLS_SSL_KEEP_PEER_CERTIFICATE

// Extensions: the application's protocol, sessions that go on, records that fit the peer's memory.
#define MBEDTLS_SSL_ALPN
#define MBEDTLS_SSL_SESSION_TICKETS
#define MBEDTLS_SSL_TICKET_C
#define MBEDTLS_SSL_MAX_FRAGMENT_LENGTH

// What keeps TLS 1.2 safe: RFC 7627, RFC 7366. There is no renegotiation: MBEDTLS_SSL_RENEGOTIATION.
#define MBEDTLS_SSL_EXTENDED_MASTER_SECRET
#define MBEDTLS_SSL_ENCRYPT_THEN_MAC

// Tell the peer of a record that is not what was sent (RFC 5246 7.2.2).
#define MBEDTLS_SSL_ALL_ALERT_MESSAGES

// DTLS: a server answers no one who has not shown that its address is real (RFC 6347 4.2.1).
#define MBEDTLS_SSL_COOKIE_C
#define MBEDTLS_SSL_DTLS_HELLO_VERIFY
#define MBEDTLS_SSL_DTLS_ANTI_REPLAY
#define MBEDTLS_SSL_DTLS_CLIENT_PORT_REUSE

// Ciphers that cost a processor without AES instructions little, and their curve.
#define MBEDTLS_CHACHA20_C
#define MBEDTLS_POLY1305_C
#define MBEDTLS_CHACHAPOLY_C
#define MBEDTLS_ECP_DP_CURVE25519_ENABLED
#define MBEDTLS_ECP_NIST_OPTIM

// TLS 1.3 (RFC 8446) is written on the PSA interface, which has to be there for it.
#if NETSTACK_TLS13
#define MBEDTLS_SSL_PROTO_TLS1_3
#define MBEDTLS_SSL_TLS1_3_COMPATIBILITY_MODE
#define MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL_ENABLED
#define MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_PSK_EPHEMERAL_ENABLED
#define MBEDTLS_PSA_CRYPTO_C
#define MBEDTLS_HKDF_C
#define MBEDTLS_PKCS1_V21
#define MBEDTLS_X509_RSASSA_PSS_SUPPORT
#endif

#ifdef NETSTACK_TLS_IN
#undef MBEDTLS_SSL_IN_CONTENT_LEN
#define MBEDTLS_SSL_IN_CONTENT_LEN NETSTACK_TLS_IN
#endif

// Where both buffers are of one size, they shrink to what was agreed on. With a longer one for input
// mbedTLS shrinks it to the other's size, agreement or not.
#if MBEDTLS_SSL_IN_CONTENT_LEN == MBEDTLS_SSL_OUT_CONTENT_LEN
#define MBEDTLS_SSL_VARIABLE_BUFFER_LENGTH
#endif
