# Pages by urequests: requests.py URL ...

import sys

import urequests

for url in sys.argv[1:]:
    response = urequests.get(url)
    print(response.status_code, len(response.text))
    response.close()
    response = urequests.post(url, data="a=1")
    print(response.status_code, response.reason.decode())
    response.close()
