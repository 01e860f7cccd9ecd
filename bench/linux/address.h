// An address of either family, with the port of all services.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#define PORT 5001

static struct sockaddr_storage address_of(const char *text) {
    struct sockaddr_storage found = { 0 };
    struct sockaddr_in *four = (struct sockaddr_in *)&found;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)&found;
    if (strchr(text, ':')) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons(PORT);
        inet_pton(AF_INET6, text, &six->sin6_addr);
    } else {
        four->sin_family = AF_INET;
        four->sin_port = htons(PORT);
        inet_pton(AF_INET, text, &four->sin_addr);
    }
    return found;
}
