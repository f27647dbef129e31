"""The application of the installation that the environment names: `wuye.web.wsgi:app` for a WSGI server, `bridge` for ours."""

from wuye.loading import keeping

with keeping():
    from wuye import logs
    from wuye.config import Settings
    from wuye.installation import Installation
    from wuye.serving.bridge import Bridge
    from wuye.web.app import MAX_BODY, create_app

    logs.configure()
    settings = Settings.load()
    app = create_app(Installation(settings))
    bridge = Bridge(app, usual=MAX_BODY, threads=settings.request_threads, share=settings.estate_requests)
