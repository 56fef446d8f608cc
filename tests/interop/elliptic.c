/*
 * Gives baresip an ECDSA certificate for DTLS: its own would be RSA, which newer releases of it and all
 * browsers have left. Preloaded; libre's own function reads the PEM file that ELLIPTIC_PEM names.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

struct tls;
int tls_set_certificate_pem(struct tls *tls, const char *certificate, size_t certificate_length,
                            const char *key, size_t key_length);

int tls_set_selfsigned_rsa(struct tls *tls, const char *name, size_t bits)
{
    static char pem[8192];
    FILE *file = fopen(getenv("ELLIPTIC_PEM"), "r");
    size_t length;

    (void)name;
    (void)bits;
    if (!file)
        return 2;
    length = fread(pem, 1, sizeof(pem), file);
    fclose(file);
    return tls_set_certificate_pem(tls, pem, length, pem, length);
}
