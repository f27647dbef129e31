"""The application of the installation that the environment names, for a WSGI server: `wuye.web.wsgi:app`."""

from wuye.loading import keeping

with keeping():
    from wuye import logs
    from wuye.config import Settings
    from wuye.installation import Installation
    from wuye.web.app import create_app

    logs.configure()
    app = create_app(Installation(Settings.load()))
