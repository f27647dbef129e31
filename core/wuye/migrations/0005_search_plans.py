"""search plans: numbers and rare words are found by their index alone, also in a very large estate."""

from alembic import op
from wuye.records.search import FUNCTION

revision = "core_0005"
down_revision = "core_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(FUNCTION)


def downgrade() -> None:
    # The function of before differs only in its plans.
    op.execute(FUNCTION)
