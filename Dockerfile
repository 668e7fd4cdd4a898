# One image for web, worker and migrate; the command decides which. It holds the locked packages, the
# source and the migrations: no compiler, no test tools, no secrets.

FROM python:3.11-slim-bookworm AS packages
RUN python -m venv /opt/venv
COPY requirements.txt /tmp/requirements.txt
RUN /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --only-binary :all: \
        --require-hashes -r /tmp/requirements.txt \
    && /opt/venv/bin/pip uninstall --quiet --yes pip setuptools

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --user-group --no-create-home --home-dir /app frontdesk
COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
# The source stays beside alembic.ini and migrations/, where `frontdesk migrate` looks for them.
COPY alembic.ini ./
COPY migrations ./migrations
COPY src ./src
# The entry point that installing the package would make: the build needs no build backend for it.
RUN printf '%s\n' '#!/opt/venv/bin/python' 'from frontdesk.cli import app' 'app()' \
        > /opt/venv/bin/frontdesk \
    && chmod 0755 /opt/venv/bin/frontdesk \
    && /opt/venv/bin/python -m compileall -q src migrations \
    && install -d -o 10001 -g 10001 /var/lib/frontdesk
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/app/src \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    WEB__HOST=0.0.0.0
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ.get('WEB__PORT', '8000') + '/livez', timeout=4)"]
CMD ["frontdesk", "web"]
