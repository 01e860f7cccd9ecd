# A web server of picoweb's, which knows only the older names of MicroPython's modules.

import picoweb

app = picoweb.WebApp(None, serve_static=False)


@app.route("/")
def index(request, response):
    yield from picoweb.start_response(response)
    yield from response.awrite("Hello, World!")


@app.route("/form")
def form(request, response):
    yield from request.read_form_data()
    yield from picoweb.jsonify(response, request.form)


print("ready")
app.run("0.0.0.0", 80, debug=-1)
